# What the tests of the pages drive: Chromium, its driver, and axe, which finds what keeps people out; and Node for
# modules that need no page.
# shellcheck shell=bash

axe_wheel="axe-playwright-python==0.1.8"
axe_sha256=fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8

require_browser() {
  local driver
  have node || install_packages nodejs
  if ! browser_driver >/dev/null; then
    case $(. /etc/os-release 2>/dev/null && echo "${ID:-}") in
      # Ubuntu has it as a snap alone, which a container cannot install.
      ubuntu)
        have snap && as_root snap install chromium >&2 || {
          say "no Chromium: Ubuntu has it as a snap, which cannot be installed here. THE TESTS OF THE PAGES ARE LEFT OUT"
          export LIMEN_TEST_BROWSER=none
          return
        } ;;
      *) install_packages chromium chromium-driver ;;
    esac
  fi
  driver=$(browser_driver) || die "no chromedriver after installing Chromium: install it, with Chromium or Chrome of the same version"
  require_axe
  export LIMEN_TEST_CHROMEDRIVER=$driver LIMEN_TEST_AXE=$cache/axe/axe.min.js
}

browser_driver() {
  local name
  for name in chromedriver chromium.chromedriver; do command -v $name && return; done
  return 1
}

require_axe() {
  [ -e "$cache/axe/axe.min.js" ] && return
  mkdir -p "$wheels"
  require_pip
  fetch_wheel "$axe_wheel" $axe_sha256
  "$python" dev.d/unpack.py "$(wheel_file "$axe_wheel")" "$cache/axe.new" '*/axe.min.js'
  rm -rf "$cache/axe"
  mv "$cache/axe.new" "$cache/axe" # whole or not at all
  rm -f "$(wheel_file "$axe_wheel")"
}
