# What servers from npm have in common; the text of each is put behind this one.

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# npm_packages NAME FILE: goes to the folder with the packages of FILE, a package.json. It is made once.
npm_packages() {
    command -v npm >/dev/null || fail "Node.js 20 or newer with npm is needed for the tests with $1 and npm was not found"
    cache="${XDG_CACHE_HOME:-$HOME/.cache}/weir"
    folder="$cache/$1-$(cksum <"$2" | tr ' ' '-')"
    mkdir -p "$cache"
    if [ ! -e "$folder/complete" ]; then
        # Tests that start together make it once.
        if mkdir "$folder.lock" 2>/dev/null; then
            trap 'rmdir "$folder.lock" 2>/dev/null || :' EXIT
            # Whoever had the lock before may have made it.
            if [ ! -e "$folder/complete" ]; then
                rm -rf "$folder"
                mkdir "$folder"
                cp "$2" "$folder/package.json"
                (cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts --cache "$cache/npm") >&2
                touch "$folder/complete"
            fi
            rmdir "$folder.lock"
            trap - EXIT
        else
            for _ in $(seq 600); do
                [ ! -e "$folder/complete" ] || break
                sleep 0.5
            done
            [ -e "$folder/complete" ] || fail "the folder $folder was not finished by whoever makes it; remove $folder.lock"
        fi
    fi
    cd "$folder"
}
