"""A process that touches so few pages that the kernel's own counters may not have noticed, and what was told of it."""

PAGES = 24
SCRIPT = f"""
import mmap, machine_watch as watch
watch.held_bytes()
room = mmap.mmap(-1, {PAGES} * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
before = watch.held_bytes()
for page in range({PAGES}):
    room[page * mmap.PAGESIZE] = 1
print(*before, *watch.held_bytes(), mmap.PAGESIZE)
"""


def check(printed: str) -> None:
    """All pages were counted, and hardly more; and what is resident is the sum of its kinds."""
    resident, anonymous, of_files, now_resident, now_anonymous, now_of_files, page = map(int, printed.split())
    assert PAGES <= (now_anonymous - anonymous) / page <= PAGES + 8
    assert (resident, now_resident) == (anonymous + of_files, now_anonymous + now_of_files)
