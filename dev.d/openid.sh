# The OpenID provider that the tests sign people in by.
# shellcheck shell=bash

require_openid() {
  local folder=tests/openid
  cmp -s $folder/package-lock.json $folder/node_modules/.from && return
  have npm || install_packages npm
  (cd $folder && npm ci --omit-lockfile-registry-resolved --no-audit --no-fund --silent >&2) ||
    die "npm could not install the tests' OpenID provider: its message is above. npm_config_registry names another registry"
  cp $folder/package-lock.json $folder/node_modules/.from
}
