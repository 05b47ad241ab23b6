"""What a device itself does to be leased: take a lease, renew it, give it up, and note who works under it.

In:  the folder of leases, our token, how long the lease lasts, the leases whose holders have ended, further folders.
Out: an exit status: 0 where it is ours (its folder is printed), `TAKEN` where another's (which is printed), `LOST`
     where it is ours no longer.
"""

from edgewright.targets.device_store.own_folder import OWN_FOLDER

TAKEN, LOST = 75, 76

# Leases are numbered folders, and the newest alone counts. Each is made aside and moved to its number, which succeeds
# for one of those who try: a folder that is not empty is not replaced, and what `mv` puts inside it instead is undone.
# The newest is never removed, only ended, so nobody can take a number that was passed already and go on with it.
COMMON = """
leases=$1 token=$2 lasts=$3 dead=$4
boot=unknown
read -r boot 2>/dev/null </proc/sys/kernel/random/boot_id
read -r now _ </proc/uptime && now=${now%%.*} || exit 1
newest() {
    last=0
    for each in "$leases"/[0-9]*; do
        [ -d "$each" ] && [ "${each##*/}" -gt "$last" ] && last=${each##*/}
    done
}
lives() {
    read -r its_boot its_end 2>/dev/null <"$leases/$last/until" || return 1
    [ "$its_boot" = "$boot" ] && [ "$its_end" -gt "$now" ]
}
ours() {
    read -r its_token 2>/dev/null <"$leases/$1/token" && [ "$its_token" = "$token" ]
}
"""

# What tells a process from a later one of the same number: its state, its group and when it started.
PROCESS = """
look_at() {
    state=Z group=0 started=
    read -r line 2>/dev/null <"/proc/$1/stat" || return 1
    set -- ${line##*) }
    state=$1 group=$3 started=${20}
}
"""

# The runner of a holder that was killed may run on. Its group is ended only while the process that leads it is the one
# that was noted; one that waits for its parent to ask for its status has ended.
END_GROUP = f"""{PROCESS}
runs() {{
    look_at "$its_group" && [ "$state" != Z ] && [ "$group" = "$its_group" ] && [ "$started" = "$its_start" ]
}}
end_group() {{
    read -r its_boot its_group its_start 2>/dev/null <"$leases/$last/group" || return 0
    case $its_group in '' | *[!0-9]* | 0 | 1) return 0 ;; esac
    [ "$its_boot" = "$boot" ] && runs || return 0
    kill -KILL "-$its_group" 2>/dev/null
    tries=0
    while runs && [ "$tries" -lt 50 ]; do
        sleep 0.1 2>/dev/null || sleep 1
        tries=$((tries + 1))
    done
}}
"""

# `dead` are the leases, one a line, whose holders have ended, as their own machine knows. A lease in any of the folders
# keeps the device; it is made in the first of them that can be written to. In /tmp anybody may make a folder of any
# name, so that there only one of our own counts.
TAKE_SCRIPT = f"""{COMMON}{OWN_FOLDER}{END_GROUP}
shift 4
set -- "$leases" "$@"
is_dead() {{
    case "
$dead
" in *"
$leases/$last
"*) return 0 ;; esac
    return 1
}}
trusted() {{
    case $1 in /tmp/.edgewright-*) ;; *) return 0 ;; esac
    [ ! -L "$1" ] || return 1
    [ ! -e "$1" ] || [ -O "$1" ]
}}
taken() {{
    read -r since 2>/dev/null <"$leases/$last/since" || since=$now
    read -r _ end 2>/dev/null <"$leases/$last/until" || end=$now
    echo "$((now - since)) $((end - now)) $leases/$last"
    cat "$leases/$last/owner"
    exit {TAKEN}
}}
made_aside() {{
    own_folder "${{leases%/*}}" && mkdir -p "$leases" && mkdir "$aside" && printf '%s\\n' "$words" >"$aside/owner" &&
        echo "$token" >"$aside/token" && echo "$now" >"$aside/since" && echo "$boot $((now + lasts))" >"$aside/until"
}}
for leases in "$@"; do
    trusted "${{leases%/*}}" || continue
    newest
    ! lives || is_dead || taken
done
words=$(cat)
for leases in "$@"; do
    trusted "${{leases%/*}}" || continue
    newest
    ! lives || is_dead || taken  # once more: the number behind it is tried for
    mine=$((last + 1)) aside=$leases/.taking-$token
    made_aside || {{ rm -rf "$aside"; continue; }}
    end_group
    mv "$aside" "$leases/$mine" 2>/dev/null
    newest
    if [ "$last" = "$mine" ] && ours "$mine"; then
        for each in "$leases"/[0-9]*; do
            [ "${{each##*/}}" -ge "$mine" ] || rm -rf "$each"
        done
        find "$leases" -maxdepth 1 -name '.taking-*' -mmin +60 -exec rm -rf {{}} + 2>/dev/null
        echo "$leases"
        exit 0
    fi
    rm -rf "$aside" "$leases/$mine/.taking-$token"
    ! ours "$mine" || rm -rf "$leases/$mine"
    taken
done
exit 1
"""

# Renewed for 0 s it is given up. Somebody may take it between the first look and the writing, hence the second look.
RENEW_SCRIPT = f"""{COMMON}
newest
ours "$last" || exit {LOST}
echo "$boot $((now + lasts))" >"$leases/$last/.until" && mv -f "$leases/$last/.until" "$leases/$last/until"
written=$?
newest
ours "$last" || exit {LOST}
exit $written
"""

# Becomes the command behind the first four words, once its process group is noted in the lease.
RECORD_SCRIPT = f"""{COMMON}{PROCESS}
shift 4
newest
if ours "$last" && look_at $$ && leader=$group && look_at "$leader"; then
    echo "$boot $leader $started" 2>/dev/null >"$leases/$last/group"
fi
exec "$@"
"""
