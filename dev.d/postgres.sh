# A private Postgres for this checkout: .dev/postgres, reached through a socket in a folder that only its owner enters.
# shellcheck shell=bash

postgres_oldest=14
postgres_home=$(readlink -m "$state/postgres") # elsewhere when the server's user cannot enter the checkout: a link then
postgres_socket=               # folder of the socket, once the server runs
postgres_settings=             # besides those that every server here has
server_user=                   # who runs the server

start_postgres() {
  require_postgres
  choose_server_user
  make_postgres_home
  make_cluster
  start_server
}

# A server for this run alone: where there is room in memory, and a change waits for no disk.
scratch_postgres() {
  local folder=${TMPDIR:-/tmp} left
  if [ -w /dev/shm ] && [ "$(df --output=avail --block-size=1M /dev/shm | tail -n 1)" -ge 1024 ]; then folder=/dev/shm; fi
  for left in "$folder"/limen-test-*; do
    # Of a run that was killed.
    [ ! -O "$left" ] || [ -d "/proc/$(cat "$left/owner" 2>/dev/null)" ] || (state=$left && remove_scratch)
  done
  state=$(mktemp -d "$folder/limen-test-XXXXXX")
  echo $$ >"$state/owner"
  chmod 711 "$state" # the server's user passes through
  postgres_home=$state/postgres
  postgres_settings="-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_wal_size=256MB"
}

# Stops the server of a run, and deletes it.
remove_scratch() {
  postgres_home=$(readlink -m "$state/postgres")
  ! server_runs || stop_server
  rm -rf "$state" "$postgres_home" "/tmp/limen-dev-$(checkout_hash)"
}

postgres_url() { echo "postgres://limen@localhost/$1?host=$postgres_socket"; } # the host in the query wins

# The folder of the server's programs: those on PATH, else the newest Debian keeps; with an argument, of that version only.
postgres_bin() {
  local wanted=${1:-} bin major
  for bin in "$(dirname "$(readlink -f "$(command -v postgres || echo /)")")" \
    $(printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort --reverse); do
    [ -x "$bin/postgres" ] && [ -x "$bin/initdb" ] && [ -x "$bin/pg_ctl" ] && [ -x "$bin/psql" ] || continue
    major=$("$bin/postgres" --version | grep -oE '[0-9]+' | head -n 1)
    if [ "$major" -ge $postgres_oldest ] && [ "${wanted:-$major}" = "$major" ]; then echo "$bin"; return; fi
  done
  return 1
}

require_postgres() {
  postgres_bin >/dev/null && return
  local only_this=/etc/postgresql-common/createcluster.d/limen.conf
  # Debian makes and starts a system-wide cluster on installation, which nobody here needs.
  as_root mkdir -p "$(dirname $only_this)"
  echo 'create_main_cluster = false' | as_root tee $only_this >/dev/null
  install_packages postgresql
  as_root rm -f $only_this
  postgres_bin >/dev/null || die "no PostgreSQL $postgres_oldest or newer after installing 'postgresql': install one, or set DATABASE_URL"
}

# Postgres refuses to run as root: there it runs as its owner so far, else as `postgres`.
choose_server_user() {
  local owner
  owner=$(stat -L -c %U "$postgres_home/data" 2>/dev/null || true)
  if [ "$(id -u)" != 0 ]; then
    server_user=$(id -un)
    [ -z "$owner" ] || [ "$owner" = "$server_user" ] ||
      die "$postgres_home belongs to $owner (an earlier ./dev as root?): run as root, or delete it with: sudo ./dev clean"
  elif [ -n "$owner" ] && [ "$owner" != root ]; then
    server_user=$owner
  else
    server_user=postgres
    id postgres >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin postgres ||
      die "Postgres does not run as root and the user 'postgres' could not be made: useradd --system postgres"
  fi
}

as_server() {
  if [ "$(id -un)" = "$server_user" ]; then (cd / && "$@"); else (cd / && runuser -u "$server_user" -- "$@"); fi
}

make_postgres_home() {
  mkdir -p -m 700 "$postgres_home"
  if [ "$(id -u)" = 0 ] && ! { chown "$server_user" "$postgres_home" && as_server test -w "$postgres_home/."; } 2>/dev/null; then
    local elsewhere
    elsewhere=/var/lib/limen-dev-$(checkout_hash)
    say "the user $server_user cannot enter $root: Postgres keeps its data in $elsewhere"
    install -d -m 700 -o "$server_user" "$elsewhere"
    rmdir "$postgres_home"
    ln -sfn "$elsewhere" "$state/postgres"
    postgres_home=$elsewhere
  fi
}

# `ready` is written last: data without it are of a set-up that was killed.
make_cluster() {
  [ ! -e "$postgres_home/ready" ] || return 0
  if [ -e "$postgres_home/data" ]; then
    say "an earlier set-up of Postgres was cut short: making it anew"
    ! server_pid >/dev/null || stop_server
    rm -rf "$postgres_home/data"
  fi
  say "making a Postgres cluster in $postgres_home"
  rm -f "$state/key-private" # it opened the former one
  as_server env LC_ALL=C.UTF-8 "$(postgres_bin)/initdb" --pgdata="$postgres_home/data" --username=limen --auth=trust \
    --encoding=UTF8 --locale=C.UTF-8 >"$state/initdb.log" 2>&1 ||
    { tail -n 20 "$state/initdb.log" >&2; die "initdb failed: its message is above, all of it in $state/initdb.log"; }
  start_server
  sql postgres --command 'create database limen'
  as_server touch "$postgres_home/ready"
}

# The server's process, if it runs: the process named in postmaster.pid may be another one since a reboot.
# Its user asks, for in a container root may not look into other people's processes.
server_pid() {
  local data pid
  data=$(readlink -f "$postgres_home/data")
  pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null) && [ "$(as_server readlink "/proc/$pid/cwd")" = "$data" ] && echo "$pid"
}

server_runs() {
  [ -e "$postgres_home/data" ] && choose_server_user && server_pid >/dev/null
}

start_server() {
  local data=$postgres_home/data version bin attempt
  version=$(cat "$data/PG_VERSION")
  bin=$(postgres_bin "$version") ||
    die "the cluster in .dev/postgres is of PostgreSQL $version, which is gone: apt-get install postgresql-$version, or ./dev clean to start anew"
  if server_pid >/dev/null; then
    postgres_socket=$(sed -n 5p "$data/postmaster.pid")
    "$bin/pg_isready" --quiet --host="$postgres_socket" --timeout=30 && return
    say "Postgres runs and does not answer: starting it again"
    stop_server
  elif [ -e "$data/postmaster.pid" ] && [ -d "/proc/$(head -n 1 "$data/postmaster.pid")" ]; then
    rm -f "$data/postmaster.pid" # its number is another process's now, which Postgres would take for a rival
  fi
  make_socket_folder
  # After a kill -9 its helpers take a moment to notice, and Postgres does not start beside them.
  for attempt in 1 2 3 4 5; do
    as_server env LC_ALL=C.UTF-8 "$bin/pg_ctl" start --silent --wait --timeout=120 --pgdata="$data" --log="$postgres_home/log" \
      --options="-c listen_addresses='' -c unix_socket_directories='$postgres_socket' -c unix_socket_permissions=0700 -c port=5432 -c max_connections=300 $postgres_settings" \
      >/dev/null 2>&1 9>&- </dev/null && return
    sleep "$attempt"
  done
  tail -n 20 "$postgres_home/log" >&2
  die "Postgres did not start: the end of its log is above, all of it in $postgres_home/log"
}

# A socket's path has at most 107 bytes, and this one must stand in an URL as it is.
make_socket_folder() {
  postgres_socket=$postgres_home/socket
  if [ ${#postgres_socket} -gt 90 ] || [[ $postgres_socket == *[!A-Za-z0-9/._-]* ]]; then
    postgres_socket=/tmp/limen-dev-$(checkout_hash)
  fi
  as_server mkdir -p -m 700 "$postgres_socket"
  [ "$(stat -c %U:%a "$postgres_socket")" = "$server_user:700" ] ||
    die "$postgres_socket belongs to somebody else or is open to others: delete it and run this again"
}

stop_server() {
  local pid
  pid=$(server_pid) || return 0
  as_server "$(postgres_bin "$(cat "$postgres_home/data/PG_VERSION")")/pg_ctl" stop --silent --mode=fast --timeout=60 --pgdata="$postgres_home/data" >&2 ||
    kill -KILL "$pid" # its log of writes makes good for that at the next start
}

sql() { # database, psql options
  "$(postgres_bin)/psql" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$(postgres_url "$1")" "${@:2}"
}
