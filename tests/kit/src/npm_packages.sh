# What servers from npm have in common; the text of each is put behind this one, and this behind made_once.sh.

# npm_packages NAME FILE: goes to the folder with the packages of FILE, a package.json. It is made once.
npm_packages() {
    command -v npm >/dev/null || fail "Node.js 20 or newer with npm is needed for the tests with $1 and npm was not found"
    packages="$cache/$1-$(cksum <"$2" | tr ' ' '-')"
    made_once "$packages" npm_install "$packages" "$2"
    cd "$packages"
}

npm_install() {
    mkdir "$1"
    cp "$2" "$1/package.json"
    (cd "$1" && npm install --silent --no-audit --no-fund --ignore-scripts --cache "$cache/npm")
}
