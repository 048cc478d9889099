# libtorch 2.11.0, the version tch 0.24 is written for: the user's own, else out of Python wheels into the cache.
# `.libtorch` links to it; .cargo/config.toml points cargo and the binaries' rpath at that link.
# shellcheck shell=bash

libtorch_version=2.11.0
libtorch_kind=                 # cpu or cuda, when asked for
wheels=$cache/wheels
python=python3

# One Python and a fixed list of platforms: every machine gets the same file, the one whose hash is pinned.
wheel_choice=(--no-deps --only-binary :all: --python-version 3.12)
for platform in manylinux_2_28 manylinux_2_27 manylinux_2_25 manylinux_2_18 manylinux_2_17 manylinux2014; do
  wheel_choice+=(--platform "${platform}_x86_64")
done

require_libtorch() {
  local own=${LIBTORCH:-} chosen
  # The binaries look beside target/; one built elsewhere is told.
  [ -z "${CARGO_TARGET_DIR:-}" ] || export LD_LIBRARY_PATH=$root/.libtorch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  unset LIBTORCH               # from here on .cargo/config.toml says where it is
  if [ -n "$own" ] && [ "$(readlink -m "$own")" != "$(readlink -m .libtorch)" ]; then
    check_libtorch "$own"
    chosen=$(readlink -f "$own")
  elif [ -z "$libtorch_kind" ] && [ "$(libtorch_release .libtorch)" = $libtorch_version ]; then
    return
  else
    chosen=$cache/libtorch-$libtorch_version-${libtorch_kind:-cpu}/torch
    is_whole "${libtorch_kind:-cpu}" "$chosen" || fetch_libtorch "${libtorch_kind:-cpu}" "$(dirname "$chosen")"
  fi
  [ "$libtorch_kind" != cuda ] || [ -e "$chosen/lib/libtorch_cuda.so" ] ||
    die "LIBTORCH=$own is a build without CUDA: unset it, or point it at one that has lib/libtorch_cuda.so"
  link_libtorch "$chosen"
}

# The release a folder holds: of the official archive's `build-version`, else of the headers (a wheel has only those).
libtorch_release() {
  local header=$1/include/torch/headeronly/version.h
  if [ ! -e "$1/lib/libtorch.so" ]; then return
  elif [ -e "$1/build-version" ]; then sed 's/+.*//' "$1/build-version"
  elif [ -e "$header" ]; then
    sed -n 's/^#define TORCH_VERSION_\(MAJOR\|MINOR\|PATCH\) \([0-9]*\)$/\2/p' "$header" | paste -sd.
  fi
}

is_whole() { # cpu|cuda folder
  [ -e "$2/lib/libtorch.so" ] && { [ "$1" = cpu ] || [ -e "$2/include/cuda_runtime_api.h" ]; }
}

check_libtorch() {
  local release
  [ -e "$1/lib/libtorch.so" ] && [ -d "$1/include/torch" ] ||
    die "LIBTORCH=$1 has no lib/libtorch.so or no include/torch: unset it and ./dev fetches libtorch $libtorch_version"
  release=$(libtorch_release "$1")
  [ "$release" = $libtorch_version ] ||
    die "LIBTORCH=$1 is libtorch ${release:-of unknown version}, tch needs $libtorch_version: unset it and ./dev fetches that one"
}

link_libtorch() {
  [ "$(readlink .libtorch)" = "$1" ] && return
  [ -L .libtorch ] || [ ! -e .libtorch ] || die ".libtorch is not a link: move it away, or set LIBTORCH to where it then is"
  local before
  before=$(readlink .libtorch || true)
  ln -sfn "$1" .libtorch
  say "libtorch: $1"
  # cargo sees the same path as before: what was compiled against another libtorch has to go.
  if [ -n "$before" ] && have cargo; then
    cargo clean --quiet --package torch-sys && cargo clean --quiet --release --package torch-sys || true
  fi
}

fetch_libtorch() { # cpu|cuda folder
  local members size_mb
  case $1 in
    cpu)
      size_mb=1200
      members=('torch/include/*' torch/lib/lib{c10.so,torch_cpu.so,gomp.so.1} 'nvidia/*/lib/lib'{cudart,cupti}.so.13)
      say "fetching libtorch $libtorch_version for CPU (550 MB, once; a download that is cut short goes on next time)" ;;
    cuda)
      size_mb=8000
      members=('torch/include/*' 'torch/lib/*.so*' 'nvidia/*/lib/*.so*' 'nvidia/*/include/*')
      say "fetching libtorch $libtorch_version for CUDA 13 (2.4 GB, once; a download that is cut short goes on next time)"
      ldconfig -p | grep -q libcuda.so.1 || say "no NVIDIA driver found here: this builds, and will run on the CPU" ;;
  esac
  mkdir -p "$wheels"
  [ "$(df -Pm "$wheels" | awk 'END {print $4}')" -gt $size_mb ] || die "$cache needs $size_mb MB of free disk space"

  require_pip
  local requirement hash files=()
  while read -r requirement hash; do
    fetch_wheel "$requirement" "${hash#--hash=sha256:}"
    files+=("$(wheel_file "$requirement")")
  done <"dev.d/libtorch-$1.txt"

  say "unpacking"
  local new=$2.new file
  rm -rf "$new"
  for file in "${files[@]}"; do "$python" dev.d/unpack.py "$file" "$new/torch" "${members[@]}"; done
  [ "$1" = cuda ] || ln -s libtorch_cpu.so "$new/torch/lib/libtorch.so"
  echo "$libtorch_version+$1" >"$new/torch/build-version"
  rm -rf "$2"
  mv "$new" "$2"               # whole or not at all
  rm -f "${files[@]}"
}

wheel_file() { echo "$wheels/${1/==/-}.whl"; }
is_intact() { [ -e "$1" ] && echo "$2 $1" | sha256sum --check --status; }

fetch_wheel() { # name==version sha256
  local file url status=0 resumed=
  file=$(wheel_file "$1")
  is_intact "$file" "$2" && return
  say "$1"
  [ ! -s "$file.part" ] || resumed=yes
  if ! is_intact "$file.part" "$2"; then
    if url=$("$python" dev.d/wheel_url.py "$(pip_wheel)" "$1" "${wheel_choice[@]}"); then
      download "$url" "$file.part" || status=$?
    else
      status=22
    fi
    case $status in
      0) ;;
      22 | 33 | 36) pip_download "$1" "$2" "$file.part" ;;   # refused, or cannot be resumed: let pip do it whole
      *) die "the download of $1 broke off: check the network and run this again, it goes on where it stopped" ;;
    esac
  fi
  is_intact "$file.part" "$2" || {
    rm -f "$file.part"
    if [ -n "$resumed" ]; then fetch_wheel "$@"; return; fi
    die "$1 came with another checksum than the one pinned in dev.d/ and was thrown away: run this again; if it recurs, distrust the package index"
  }
  mv "$file.part" "$file"
}

download() { # url file
  local progress=(--silent --show-error)
  [ ! -t 2 ] || progress=(--progress-bar)
  curl --fail --location --continue-at - --retry 5 --connect-timeout 30 --speed-limit 1000 --speed-time 60 \
    ${PIP_CERT:+--cacert "$PIP_CERT"} "${progress[@]}" --output "$2" "$1"
}

pip_download() { # name==version sha256 file
  local folder=$3.pip
  rm -rf "$folder" "$3"
  mkdir "$folder"
  echo "$1 --hash=sha256:$2" >"$folder/list"
  "$python" "$(pip_wheel)/pip" download --require-hashes "${wheel_choice[@]}" --dest "$folder" -r "$folder/list" >&2 ||
    die "pip could not download $1: its message is above. PIP_INDEX_URL names another package index, https_proxy a proxy"
  mv "$folder"/*.whl "$3"
  rm -rf "$folder"
}

# The pinned pip runs out of its own wheel; any pip can fetch that.
pip_wheel() { wheel_file pip==25.3; }
require_pip() {
  local requirement hash folder=$wheels/pip.new
  read -r requirement hash <dev.d/pip.txt
  is_intact "$(pip_wheel)" "${hash#--hash=sha256:}" && return
  if ! "$python" -m pip --version >/dev/null 2>&1; then
    install_packages python3-pip
    python=/usr/bin/python3
  fi
  rm -rf "$folder"
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --dest "$folder" -r dev.d/pip.txt >&2 ||
    die "pip could not download $requirement: its message is above. PIP_INDEX_URL names another package index, https_proxy a proxy"
  mv "$folder"/*.whl "$(pip_wheel)"
  rm -rf "$folder"
}
