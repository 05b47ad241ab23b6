"""What the device does in a push: POSIX shell, for any Linux, also one of busybox alone.

In:  the arguments that each script begins with, and on standard input a plan: `sha256 mode name` for each file, a line
     each, where the mode is `x` for what can be run and `-` for what cannot.
Out: a status, and what each script says it prints.

A set of files is the folder `<kind>/<digest>`, and what was planned for it `sums/<kind>-<digest>`. There a later set
finds the files it has in common with this one: they are linked, not sent.
"""

from edgewright.targets.device_store.own_folder import OWN_FOLDER
from edgewright.targets.device_store.space import FREE_SPACE_SCRIPT

WHOLE, NOT_THERE = 0, 2
CANNOT_UNPACK, DIFFERS, CANNOT_EXECUTE = 3, 4, 5

UNUSED_DAYS = 30  # a set that nobody asked for in this time goes at the next push

# Whether the files of these lines of a plan lie in a folder unharmed. OpenSSL knows the processor's instructions for
# SHA-256, which `sha256sum` mostly does not; every other file is left to a second process, as boards have more cores.
COMMON = """
agree() {
    [ -n "$1" ] || return 0
    sums=$(printf '%s\\n' "$1" | sed 's# [-x] # *./#')
    names=$(printf '%s\\n' "$sums" | cut -c67-)
    [ "$(printf '%s\\n' "$names" | tr '\\n' '\\0' | xargs -0 openssl dgst -sha256 -r 2>/dev/null)" = "$sums" ] ||
        printf '%s\\n' "$sums" | sed 's# [*]#  #' | sha256sum -c - >/dev/null 2>&1
}
whole() {
    [ -d "$1" ] && (
        cd "$1" || exit 1
        agree "$(printf '%s\\n' "$2" | sed -n 'n;p')" &
        agree "$(printf '%s\\n' "$2" | sed -n 'p;n')"
        agreed=$?
        wait $! && exit $agreed
    )
}
"""

# Whether a file has this sum.
RIGHT = """
right() {
    said=$(openssl dgst -sha256 -r "$2" 2>/dev/null) || said=$(sha256sum "$2")
    [ "${said%% *}" = "$1" ]
}
"""

# Prints the content of parts, some compressed on their way. Two hosts may have sent one part each in its own way.
OPENED = """
opened() {
    case $* in *.gz*) ;; *) cat "$@" && return || return 1 ;; esac
    for each; do
        case $each in
        *.gz) [ -e "${each%.gz}" ] || gzip -d -c "$each" ;;
        *) cat "$each" ;;
        esac || return 1
    done
}
"""

# A command's folder is called after it: `.incoming-TOKEN,BOOT,NAMESPACE,PROCESS`, and one of parts after the kernel
# they came under: `.incoming-parts-…,BOOT`. `sweep` removes those of commands that have ended, with their kernel or by
# being killed, and parts from before the machine started, as what a machine wrote before it went down may be harmed.
OWNERS = """
read -r boot 2>/dev/null </proc/sys/kernel/random/boot_id || boot=unknown
namespace=$(readlink /proc/self/ns/pid 2>/dev/null)
namespace=${namespace#*[} run=$boot,${namespace%]}
sweep() {
    for each in "$home/$kind"/.incoming-*,*,*,*; do
        its_run=${each#*,} its_process=${each##*,}
        state=gone
        [ "${its_run%,*}" != "$run" ] || read -r _ _ state _ 2>/dev/null <"/proc/$its_process/stat"
        case $state in gone | Z | X) rm -rf "$each" ;; esac
    done
    for each in "$home/$kind"/.incoming-parts-*,*; do
        [ ! -e "$each" ] || [ "${each##*,}" = "$boot" ] || rm -rf "$each"
    done
}
"""

# Of a set that is not whole it prints the lines of other sets' plans that it shares, as grep does; what arrived before
# earlier pushes were cut off, as `./.incoming-parts-…/name`; `gzip` where that is there; as `boot ID` which start of
# the machine's this is; how much room there is.
# Who asks for a set has use for it: its folder's time says when that was last.
CHECK_SCRIPT = f"""
home=$1 kind=$2 digest=$3 plan=$(cat)
final=$home/$kind/$digest
{COMMON}{OWNERS}{OWN_FOLDER}
own_folder "$home"
if whole "$final" "$plan"; then
    touch "$final"
    sweep
    for each in "$home/$kind/.incoming-parts-$digest"-*; do  # of another push of it, which has no use for them now
        [ ! -e "$each" ] || rm -rf "$each"
    done
    exit {WHOLE}
fi
[ ! -e "$home/sums/$kind-$digest" ] || rm -f "$home/sums/$kind-$digest"
[ ! -d "$home/sums" ] || printf '%s\\n' "$plan" | cut -c1-66 | grep -H -F -f - "$home"/sums/* 2>/dev/null
[ ! -d "$home/$kind" ] || (cd "$home/$kind" && printf '%s\\n' ./.incoming-parts-*/*)
! command -v gzip >/dev/null || echo gzip
echo "boot $boot"
set -- "$final"
{FREE_SPACE_SCRIPT}
exit {NOT_THERE}
"""

# Makes a large file of its parts and checks it, while the next one is on its way. Of two pushes that send the same one
# each may take the parts from under the other; what either makes of them counts only once it is seen to be right.
JOIN_SCRIPT = f"""
incoming=$1 name=$2 sum=$3 mine=$2.$4
{RIGHT}{OPENED}
cd "$incoming" || exit {CANNOT_UNPACK}
if [ ! -e "$name.whole" ]; then
    trap 'rm -f "$mine"' EXIT
    opened "$name"-*.part* >"$mine" || exit {CANNOT_UNPACK}
    right "$sum" "$mine" || exit {DIFFERS}
    case $name in *x) chmod 755 "$mine" ;; esac
    mv -f "$mine" "$name.whole" || exit {CANNOT_UNPACK}
else
    right "$sum" "$name.whole" || exit {DIFFERS}
fi
rm -f "$name"-*.part*
exit {WHOLE}
"""

# Behind the plan come an empty line and, for each file that is there already, `where<TAB>name`. `checked` begins the
# plan's lines of those files that this push has seen to be right. Of two pushes that send the same parts one gets them;
# where that one has ended already, all is well. What a killed one left goes now; parts, for it to go on with, in a day.
UNPACK_SCRIPT = f"""
home=$1 kind=$2 digest=$3 incoming=$4 token=$5 checked=$6 said=$(cat)
newline="
"
plan=${{said%%"$newline$newline"*}} links=${{said#*"$newline$newline"}} final=$home/$kind/$digest tab=$(printf '\\t')
[ "$links" != "$said" ] || links=
{COMMON}{OPENED}{OWNERS}
work=$home/$kind/.incoming-$token,$run,$$
give_up() {{
    whole "$final" "$plan" && exit {WHOLE}
    exit "$1"
}}
trap 'rm -rf "$work"' EXIT
mkdir -p "$home/sums" "$home/$kind" "$work/set" || exit {CANNOT_UNPACK}
if [ -n "$incoming" ]; then
    mv "$incoming" "$work/parts" || give_up {CANNOT_UNPACK}
    set -- "$work"/parts/archive-*.part*
    [ ! -e "$1" ] || opened "$@" | tar -x -o -f - -C "$work/set" || give_up {CANNOT_UNPACK}
fi
printf '%s\\n' "$plan" | while IFS= read -r line; do
    rest=${{line#* }}
    from=$work/parts/${{line%% *}}${{rest%% *}}.whole place=$work/set/${{rest#* }}
    [ -e "$from" ] || continue
    [ -d "${{place%/*}}" ] || mkdir -p "${{place%/*}}" || exit 1
    ln "$from" "$place" 2>/dev/null || cp -p "$from" "$place" || exit 1
done || give_up {CANNOT_UNPACK}
printf '%s\\n' "$links" | while IFS=$tab read -r from name; do
    [ -n "$name" ] || continue
    place=$work/set/$name
    [ -d "${{place%/*}}" ] || mkdir -p "${{place%/*}}" || exit 1
    ln "$home/$from" "$place" 2>/dev/null || cp -p "$home/$from" "$place" || exit 1
done || give_up {CANNOT_UNPACK}
rm -rf "$work/parts"
unsure=$plan
[ -z "$checked" ] || unsure=$(printf '%s\\n' "$plan" | grep -v -F -e "$checked")
(cd "$work/set" && agree "$unsure") || give_up {DIFFERS}
if [ -d "$final" ] && ! whole "$final" "$plan"; then
    mv "$final" "$work/harmed"
fi
mv -T "$work/set" "$final" 2>/dev/null || [ -d "$final" ] || mv "$work/set" "$final" || exit {CANNOT_UNPACK}
printf '%s\\n' "$plan" | while IFS= read -r line; do
    rest=${{line#* }} name=${{line#* [-x] }}
    case $rest in "x "*) [ -x "$final/$name" ] || {{ echo "$final/$name may not be executed" >&2; exit 1; }} ;; esac
done || exit {CANNOT_EXECUTE}
printf '%s\\n' "$plan" >"$work/plan" && mv -f "$work/plan" "$home/sums/$kind-$digest"
sweep
find "$home/$kind" -mindepth 1 -maxdepth 1 \\
    '(' -name '.*incoming-*' -mmin +1440 -o ! -name '.*' -mtime +{UNUSED_DAYS} ')' -exec rm -rf {{}} + 2>/dev/null
for each in "$home"/sums/*; do
    name=${{each##*/}}
    [ -d "$home/${{name%%-*}}/${{name#*-}}" ] || rm -f "$each"
done
exit {WHOLE}
"""
