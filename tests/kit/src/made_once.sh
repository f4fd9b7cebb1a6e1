# What scripts that start others' servers have in common; the text of each is put behind this one.

cache="${XDG_CACHE_HOME:-$HOME/.cache}/weir"

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# made_once FOLDER COMMAND...: has the command make the folder, unless it is there whole.
made_once() {
    folder=$1
    shift
    [ ! -e "$folder/complete" ] || return 0
    mkdir -p "$cache"
    # Tests that start together make it once.
    if mkdir "$folder.lock" 2>/dev/null; then
        trap 'rmdir "$folder.lock" 2>/dev/null || :' EXIT
        # Whoever had the lock before may have made it.
        if [ ! -e "$folder/complete" ]; then
            rm -rf "$folder"
            "$@" >&2
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
}
