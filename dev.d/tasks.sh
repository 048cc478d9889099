# The commands of ./dev.
# shellcheck shell=bash

task_setup() {
  require_platform
  lock
  require_tools
  require_rust
  require_libtorch
  [ -n "${DATABASE_URL:-}" ] || require_postgres
  unlock
}

task_run() {
  task_build
  use_database limen
  development_secrets
  limen migrate
  development_key
  say "the console opens with the key in .dev/key, at the address that is printed once it serves"
  exec "$(limen_binary)" serve "$@"
}

task_build() {
  task_setup
  # For the metrics; sources that are no checkout have none.
  LIMEN_REVISION=${LIMEN_REVISION:-$(git rev-parse --short HEAD 2>/dev/null || true)} cargo build --release "$@"
}

task_test() {
  task_setup
  require_broker
  require_browser
  require_openid
  local at_once
  if [ -z "${DATABASE_URL:-}" ]; then
    scratch_postgres
    use_database postgres
    trap remove_scratch EXIT # not where it did not start: its log is there
  fi
  # Each makes a database of its own beside that one. Tests wait, for Postgres and for time to pass: two more at once than
  # there are cores, and no more than it has connections for.
  at_once=$(($(nproc) + 2))
  export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((at_once < 16 ? at_once : 16))}
  # Several of them learn at once: a third of the processor went to libtorch's threads that waited for each other by asking.
  export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
  cargo test --workspace "$@"
}

# The test of the faults, longer than `./dev test` runs it; with a seed that was printed, by the same schedule.
task_chaos() {
  local release=()
  task_setup
  export LIMEN_CHAOS_SECONDS=${1:-600} LIMEN_CHAOS_SEED=${2:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
  say "to repeat it: ./dev chaos $LIMEN_CHAOS_SECONDS $LIMEN_CHAOS_SEED"
  [ ! -x "$(limen_binary)" ] || release=(--release)
  exec cargo test "${release[@]}" --test chaos -- --nocapture
}

task_bench() {
  case ${1:-} in
    peer) bench_peer "${@:2}" ;;
    face-recognition) bench_face_recognition "${@:2}" ;;
    start) bench_service benches/start.py "${@:2}" ;;
    overload) bench_frames benches/overload.py "${@:2}" ;;
    turns)
      [ -x "${2:-}" ] && [ ! "$2" -ef "$(limen_binary)" ] ||
        die "./dev bench turns OLD: name a copy of the other limen, built before"
      bench_frames benches/turns.py "${3:-}" --old "$(realpath "$2")" "${@:4}" ;;
    console)
      require_browser
      [ -n "${LIMEN_TEST_CHROMEDRIVER:-}" ] || die "this measures the pages in Chromium, which is not here"
      bench_service benches/console.py "${@:2}" ;;
    devices) task_setup && cargo bench --bench devices -- "${@:2}" ;;
    encoder) bench_beside benches/encoder_onnx.py --bench road encode ;;
    search) bench_beside benches/search_faiss.py --bench search ;;
    train) bench_train ;;
    *) task_setup && cargo bench "$@" ;;
  esac
}

peer=${PEER:-$root/../shared/peer} # what Limen is measured against
venv=$cache/peer                   # a Python with what that and our scripts need

# A benchmark of ours, then the same in Python, one thread each.
bench_beside() {
  task_setup
  peer_python
  cargo bench "${@:2}"
  "$venv/bin/python" "$1"
}

# A training step of ours and PyTorch's, in turns. $TORCH_PYTHON: a Python that has PyTorch; else it is fetched (3 GB).
bench_train() {
  task_setup
  local torch=${TORCH_PYTHON:-$cache/torch/bin/python}
  [ -n "${TORCH_PYTHON:-}" ] || [ -e "$cache/torch/ready" ] ||
    { "$python" -m venv "$cache/torch" && "$cache/torch/bin/pip" install --quiet numpy "torch==$libtorch_version" &&
      touch "$cache/torch/ready"; } || die "PyTorch could not be installed into $cache/torch"
  cargo bench --no-run --bench train
  "$torch" benches/train_torch.py cargo bench --quiet --bench train
}

# A Python of its own in a folder, with these packages.
python_with() {
  local folder=$1
  "$python" -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
  { "$python" -m venv "$folder" && "$folder/bin/pip" install --quiet "${@:2}"; } || die "${*:2} could not be installed into $folder"
}

# A Python with what our scripts need.
bench_python() { "$venv/bin/python" -c 'import numpy, onnx' 2>/dev/null || python_with "$venv" numpy onnx; }

# The same, with what the peer and its parts need.
peer_python() {
  [ -e "$peer/server.py" ] || die "no peer in $peer: PEER=FOLDER names the one with its server.py and requirements.txt"
  [ -e "$venv/ready" ] || { python_with "$venv" numpy onnx -r "$peer/requirements.txt" && touch "$venv/ready"; }
}

# Against the Python stack in $PEER, on the frames of a folder.
bench_peer() {
  peer_python
  bench_frames benches/peer.py "${1:-}" --peer "$peer" "${@:2}"
}

# Against the package `face_recognition`, whose dlib is compiled here, for this processor, as its users have it.
bench_face_recognition() {
  local theirs=$cache/face_recognition
  task_setup
  "$python" -c 'import os, sysconfig; open(os.path.join(sysconfig.get_path("include"), "Python.h"))' 2>/dev/null ||
    install_packages python3-dev
  [ -e "$theirs/ready" ] || { python_with "$theirs" -r benches/face_recognition/requirements.txt && touch "$theirs/ready"; }
  bench_frames benches/peer.py "${1:-}" --face-recognition "$theirs/bin/python" "${@:2}"
}

# A script that measures `limen serve` with the frames of a folder.
bench_frames() {
  local frames=${2:-$root/../shared/data/nuaa-dev/live}
  [ -d "$frames" ] || die "no frames in $frames: name a folder of others behind the command"
  bench_service "$1" --frames "$frames" "${@:3}"
}

# A script that measures `limen serve` on a database of its own.
bench_service() {
  task_build
  bench_python
  unset DATABASE_URL
  use_database limen_bench
  sql postgres --command 'drop database if exists limen_bench with (force)' --command 'create database limen_bench'
  development_secrets
  limen migrate
  "$venv/bin/python" "$1" --limen "$(limen_binary)" --psql "$(postgres_bin)/psql" "${@:2}"
  sql postgres --command 'drop database limen_bench with (force)'
}

task_lint() {
  task_setup
  require_cargo_tool cargo-machete 0.9.2
  cargo fmt --all --check
  cargo clippy --locked --workspace --all-targets -- --deny warnings
  RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps
  cargo machete
  if have shellcheck; then shellcheck --external-sources dev .ci/run; else say "no shellcheck here: scripts not checked"; fi
}

task_prepare() {
  task_setup
  require_cargo_tool sqlx-cli 0.9.0 --no-default-features --features postgres,rustls
  use_database limen
  cargo sqlx migrate run
  SQLX_OFFLINE=false cargo sqlx prepare -- --all-targets
}

task_psql() {
  use_database limen
  local psql
  psql=$(postgres_bin)/psql || { psql=psql; have psql || install_packages postgresql-client; }
  exec "$psql" "$DATABASE_URL" "$@"
}

task_status() {
  if server_runs; then echo "Postgres runs in .dev/postgres"; else echo "Postgres does not run: ./dev start"; return 1; fi
}

task_start() {
  [ -z "${DATABASE_URL:-}" ] || die "DATABASE_URL names a Postgres: that is not for ./dev to start"
  use_database limen
  task_status
}

task_stop() {
  server_runs || { say "Postgres does not run"; return 0; }
  lock
  stop_server
  say "Postgres is stopped; its data stay, and a service that still runs refuses until it is back: ./dev start"
}

task_env() {
  use_database limen
  # Its own name for the same, so that a shell that took it is not one that has a database of its own.
  [ -z "$postgres_socket" ] || printf "export %s='%s'\n" LIMEN_DEV_DATABASE_URL "$DATABASE_URL"
  printf "export %s='%s'\n" LIBTORCH "$root/.libtorch" DATABASE_URL "$DATABASE_URL"
  development_secrets
  [ -z "${LIMEN_SECRETS__KEYS_FILE:-}" ] ||
    printf "export %s='%s'\n" LIMEN_SECRETS__KEYS_FILE "$LIMEN_SECRETS__KEYS_FILE" LIMEN_DEV_KEYS_FILE "${made_secrets:-}"
}

task_clean() {
  local answer
  if [ "${1:-}" != --yes ]; then
    say "this deletes target/, the database in $postgres_home with all its data, the key to its templates, and the"
    say "development key"
    say "(libtorch stays in $cache)"
    read -r -p 'delete? [y/N] ' answer || true
    [ "${answer:-}" = y ] || die "nothing deleted; ./dev clean --yes deletes without asking"
  fi
  if server_runs; then lock && stop_server; fi
  # By name: $LIMEN_DEV_STATE may be a folder that holds more.
  rm -rf "$postgres_home" "$state"/{postgres,key,key-*,secrets-*,initdb.log,lock} "/tmp/limen-dev-$(checkout_hash)" "${CARGO_TARGET_DIR:-target}"
  rmdir "$state" 2>/dev/null || say "$state holds other files, which stay"
}

# An existing DATABASE_URL wins; else the database of that name in the private cluster.
use_database() {
  [ -z "${DATABASE_URL:-}" ] || return 0
  lock
  start_postgres
  unlock
  DATABASE_URL=$(postgres_url "$1")
  export DATABASE_URL
}

limen_binary() { echo "${CARGO_TARGET_DIR:-$root/target}/release/limen"; }
limen() { "$(limen_binary)" "$@"; }

# What names the database in .dev: a private one, or the start of a hash of its URL.
database_name() {
  if [ -n "$postgres_socket" ]; then echo private; else printf %s "$DATABASE_URL" | sha256sum | cut -c1-12; fi
}

made_secrets= # the file of these keys, if it is ours

# The key that templates are sealed under, made once for a database and kept beside it, unless there is one already:
# in the environment or in config.toml.
development_secrets() {
  local file
  [ -z "${LIMEN_SECRETS__KEYS:-}${LIMEN_SECRETS__KEYS_FILE:-}${LIMEN_SECRETS__KEYS_COMMAND:-}" ] || return 0
  ! grep -Eqs '^keys(_file|_command)? *=' config.toml || return 0
  file=$state/secrets-$(database_name)
  mkdir -p "$state"
  [ -s "$file" ] || (umask 077 && head -c 32 /dev/urandom | base64 | tr '+/' '-_' >"$file.new" && mv "$file.new" "$file")
  made_secrets=$file
  export LIMEN_SECRETS__KEYS_FILE=$file
}

# Made once for a database, printed when made, kept for the next run; .dev/key is that of the last run.
development_key() {
  local file
  file=$state/key-$(database_name)
  ln -sfn "$(basename "$file")" "$state/key"
  # A database that was made anew does not know it, and it may have been revoked: the last column says so.
  if [ -s "$file" ] && limen key list | tr -d - | grep -q "$(cut -d_ -f2 "$file") .*| *|$"; then
    say "the development key is in .dev/key"
    return
  fi
  (umask 077 && limen key create --name dev --scope gate --scope admin --scope metrics | tail -n 1 >"$file.new")
  mv "$file.new" "$file"
  say "a development key with every scope, kept in .dev/key: $(cat "$file")"
}
