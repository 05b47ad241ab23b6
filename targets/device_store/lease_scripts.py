"""What a device itself does to be leased: take a lease, renew it, give it up.

In:  the folder of leases, our token, how long the lease lasts, and the number of one whose holder has ended.
Out: an exit status: 0 where it is ours, `TAKEN` where another's (which is printed), `LOST` where it is ours no longer.
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

# `dead` is the number of a lease whose holder has ended, as its own machine knows.
TAKE_SCRIPT = f"""{COMMON}{OWN_FOLDER}
own_folder "${{leases%/*}}" && mkdir -p "$leases" || exit 1
newest
if ! lives || [ "$last" = "$dead" ]; then
    mine=$((last + 1)) aside=$leases/.taking-$token
    mkdir "$aside" && cat >"$aside/owner" && echo "$token" >"$aside/token" && echo "$now" >"$aside/since" &&
        echo "$boot $((now + lasts))" >"$aside/until" || {{ rm -rf "$aside"; exit 1; }}
    mv "$aside" "$leases/$mine" 2>/dev/null
    newest
    if [ "$last" = "$mine" ] && ours "$mine"; then
        for each in "$leases"/[0-9]*; do
            [ "${{each##*/}}" -ge "$mine" ] || rm -rf "$each"
        done
        find "$leases" -maxdepth 1 -name '.taking-*' -mmin +60 -exec rm -rf {{}} + 2>/dev/null
        exit 0
    fi
    rm -rf "$aside" "$leases/$mine/.taking-$token"
    ! ours "$mine" || rm -rf "$leases/$mine"
fi
read -r since 2>/dev/null <"$leases/$last/since" || since=$now
read -r _ end 2>/dev/null <"$leases/$last/until" || end=$now
echo "$((now - since)) $((end - now)) $last"
cat "$leases/$last/owner"
exit {TAKEN}
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
