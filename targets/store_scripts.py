"""What the device does in a push: POSIX shell, for any Linux, also one of busybox alone.

In:  the arguments that each script begins with, and on standard input a plan: `sha256 mode name` for each file, a line
     each, where the mode is `x` for what can be run and `-` for what cannot.
Out: a status, and what each script says it prints.

A set of files is the folder `<kind>/<digest>`, and what was planned for it `sums/<kind>-<digest>`. There a later set
finds the files it has in common with this one: they are linked, not sent.
"""

from targets.space import FREE_SPACE_SCRIPT

WHOLE, NOT_THERE = 0, 2
CANNOT_UNPACK, DIFFERS = 3, 4

UNUSED_DAYS = 30  # a set that nobody asked for in this time goes at the next push

COMMON = """
whole() { [ -d "$1" ] && (cd "$1" && printf '%s\\n' "$plan" | sed 's/ [-x] /  /' | sha256sum -c - >/dev/null 2>&1); }
"""

# Of a set that is not whole it prints the lines of other sets' plans that it shares, as grep does, and how much room
# there is. Who asks for a set has use for it: its folder's time says when that was last.
CHECK_SCRIPT = f"""
home=$1 kind=$2 digest=$3 plan=$(cat)
final=$home/$kind/$digest
{COMMON}
if whole "$final"; then
    touch "$final"
    exit {WHOLE}
fi
rm -f "$home/sums/$kind-$digest"
[ ! -d "$home/sums" ] || printf '%s\\n' "$plan" | cut -c1-66 | grep -H -F -f - "$home"/sums/* 2>/dev/null
set -- "$final"
{FREE_SPACE_SCRIPT}
exit {NOT_THERE}
"""

# Prints the parts of just this archive that arrived before an earlier push was cut off.
PARTS_SCRIPT = 'cd "$1" 2>/dev/null && ls'

# Behind the plan come an empty line and, for each file that is there already, `where<TAB>name`. Of two pushes that send
# the same parts one gets them; where that one has ended already, all is well. What a killed push left goes a day later.
UNPACK_SCRIPT = f"""
home=$1 kind=$2 digest=$3 incoming=$4 work=$5 said=$(cat)
plan=$(printf '%s\\n' "$said" | sed '/^$/,$d') links=$(printf '%s\\n' "$said" | sed '1,/^$/d')
final=$home/$kind/$digest tab=$(printf '\\t')
{COMMON}
give_up() {{
    whole "$final" && exit {WHOLE}
    exit "$1"
}}
trap 'rm -rf "$work"' EXIT
mkdir -p "$home/sums" "$home/$kind" "$work/set" || exit {CANNOT_UNPACK}
if [ -n "$incoming" ]; then
    mv "$incoming" "$work/parts" && cat "$work"/parts/*.part | tar -x -o -f - -C "$work/set" || give_up {CANNOT_UNPACK}
    rm -rf "$work/parts"
fi
printf '%s\\n' "$links" | while IFS=$tab read -r from name; do
    [ -n "$name" ] || continue
    place=$work/set/$name
    mkdir -p "${{place%/*}}" || exit 1
    ln "$home/$from" "$place" 2>/dev/null || cp -p "$home/$from" "$place" || exit 1
done || give_up {CANNOT_UNPACK}
whole "$work/set" || give_up {DIFFERS}
if [ -d "$final" ] && ! whole "$final"; then
    mv "$final" "$work/harmed"
fi
mv -T "$work/set" "$final" 2>/dev/null || [ -d "$final" ] || mv "$work/set" "$final" || exit {CANNOT_UNPACK}
printf '%s\\n' "$plan" >"$work/plan" && mv -f "$work/plan" "$home/sums/$kind-$digest"
find "$home/$kind" -maxdepth 1 -name '.*incoming-*' -mmin +1440 -exec rm -rf {{}} + 2>/dev/null
find "$home/$kind" -maxdepth 1 -mindepth 1 ! -name '.*' -mtime +{UNUSED_DAYS} -exec rm -rf {{}} + 2>/dev/null
for each in "$home"/sums/*; do
    name=${{each##*/}}
    [ -d "$home/${{name%%-*}}/${{name#*-}}" ] || rm -f "$each"
done
exit {WHOLE}
"""
