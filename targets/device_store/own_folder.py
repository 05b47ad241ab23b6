"""A target's home belongs to its user alone: what is pushed there are his models, and what they answer.

In:  nothing.
Out: `OWN_FOLDER`, POSIX shell for scripts that make the home.
"""

# Of an existing folder the mode is changed only where its name says that it is ours, as a user may name any other.
OWN_FOLDER = """
own_folder() {
    [ -d "$1" ] || (umask 077 && mkdir -p "$1") || return 1
    case $1 in */.edgewright) chmod 700 "$1" 2>/dev/null ;; esac
    return 0
}
"""
