# What the machine must have before anything is built: a compiler, the tools used here, the pinned Rust.
# shellcheck shell=bash

say() { printf '\033[1m>\033[0m %s\n' "$*" >&2; }
die() { printf '\033[1;31m./dev:\033[0m %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
checkout_hash() { printf %s "$state" | sha256sum | cut -c1-12; }

# One set-up at a time. Whoever starts a process that stays must close descriptor 9 for it.
lock() {
  mkdir -p "$state" && { exec 9>"$state/lock"; } 2>/dev/null ||
    die "cannot write in $state, which belongs to $(stat -c %U "$state"): run as that user, or give it to yourself with chown -R"
  flock --nonblock 9 || { say "waiting for another ./dev in this checkout"; flock 9; }
}
unlock() { exec 9>&-; }

require_platform() {
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
    die "this is $(uname -s) on $(uname -m): the prebuilt libtorch used here exists for Linux on x86_64 only"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif have sudo; then sudo "$@"
  else die "installing needs root and there is no sudo here: run as root once: $*"
  fi
}

install_packages() {
  have apt-get || die "missing: $*. Only apt-get is known here: install them with your package manager and run this again"
  say "installing with apt-get: $*"
  # A fresh machine often upgrades itself in the background: wait for its lock rather than fail.
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600)
  as_root "${apt[@]}" update </dev/null >&2 9>&- || say "apt-get update failed; trying with the package lists at hand"
  as_root "${apt[@]}" install -y --no-install-recommends "$@" </dev/null >&2 9>&- ||
    die "apt-get could not install: $*. Its message is above; install them by hand and run this again"
}

require_tools() {
  local missing=()
  { have c++ && have make; } || missing+=(build-essential)
  have pkg-config || missing+=(pkg-config)
  # For libjpeg-turbo, which is built with the rest.
  have cmake || missing+=(cmake)
  have nasm || missing+=(nasm)
  have curl || missing+=(curl)
  have python3 || missing+=(python3)
  [ -e /etc/ssl/certs/ca-certificates.crt ] || ! have apt-get || missing+=(ca-certificates)
  [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

# The broker of the tests, each of which starts its own; Debian starts one too, on installation and with the machine.
require_broker() {
  { have mosquitto || [ -x /usr/sbin/mosquitto ]; } && return
  install_packages mosquitto
  as_root service mosquitto stop >/dev/null 2>&1 || true
  ! have systemctl || as_root systemctl disable --quiet mosquitto >/dev/null 2>&1 || true
}

# rustup reads rust-toolchain.toml; a Rust without rustup will do when it is new enough.
require_rust() {
  local pinned
  pinned=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
  [ ! -d "${CARGO_HOME:-$HOME/.cargo}/bin" ] || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
  if ! have rustup && ! { have cargo && at_least "$pinned" "$(rustc --version | cut -d' ' -f2)"; }; then
    say "there is no Rust $pinned here: installing it with rustup, the official installer, from https://rustup.rs"
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --default-toolchain none --profile minimal >&2 ||
      die "rustup could not be installed: see https://rustup.rs, then run this again"
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    say "in a shell that is already open, first: . \"${CARGO_HOME:-$HOME/.cargo}/env\""
  fi
  cargo --version >/dev/null 2>&1 || rustup toolchain install "$pinned" --profile minimal --component rustfmt,clippy >&2 ||
    die "Rust $pinned could not be installed: 'rustup toolchain install $pinned' must work, then run this again"
}
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# Puts a cargo tool of exactly this version on PATH, kept in the cache and not among the user's own.
require_cargo_tool() { # crate version [cargo install options]
  local home=$cache/tools/$1-$2
  if [ ! -x "$home/bin/$1" ] && [ ! -x "$home/bin/cargo-${1%-cli}" ]; then
    say "installing $1 $2 (once)"
    CARGO_TARGET_DIR=$home/build cargo install "$1" --version "=$2" --locked --root "$home" "${@:3}" >&2 ||
      die "$1 $2 could not be installed: 'cargo install $1 --version $2 --locked' must work, then run this again"
    rm -rf "$home/build"
  fi
  PATH=$home/bin:$PATH
}
