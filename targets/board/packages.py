"""What an emulated board is made of: Debian packages, kernel modules and the few files that start it.

In:  nothing; these are constants.
Out: `BOARD_PACKAGES`, `MODULES`, and `files_for` the keys of one image; `recipe_digest` names an image made of them.
The packages are only unpacked, never configured (no ARM code runs while the image is made), so what their maintainer
scripts would have written is written here.
"""

import hashlib
import json

SUITE = "bookworm"
DISK_MB = 2560
# Waking the other cores once the kernel is up, and not testing ciphers nobody uses, halves the time a boot takes. What
# is timed by instructions has the core to itself for longer than the kernel finds proper, and is not to hear of that.
KERNEL_LINE = (
    "console=ttyAMA0 quiet panic=-1 nokaslr audit=0 cryptomgr.notests maxcpus=1 rcupdate.rcu_cpu_stall_suppress=1"
)
READY = "Server listening on"  # sshd itself says so once a connection would succeed

BOARD_PACKAGES = (
    # the system and the way in
    *"bash busybox-static coreutils dash debianutils findutils grep gzip libc-bin linux-image-cloud-arm64 mawk".split(),
    *"openssh-server openssh-sftp-server procps sed tar util-linux".split(),
    # what runners are linked with or written in
    *"ca-certificates libatomic1 libgomp1 libpython3.11-stdlib libstdc++6 python3 python3-distutils".split(),
    *"python3-minimal zlib1g".split(),
)
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/lib/udev/hwdb.d/*")

# In the order in which they can be inserted; Debian's cloud kernel has ext4 built in but not its virtio drivers.
MODULES = (
    *"virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk".split(),
    *"failover net_failover virtio_net rng-core virtio-rng".split(),
)

FIRST_INIT = f"""#!/bin/busybox sh
bb=/bin/busybox
$bb mount -t devtmpfs dev /dev
for module in {" ".join(MODULES)}; do
    [ ! -f /modules/$module.ko ] || $bb insmod /modules/$module.ko
done
while [ ! -b /dev/vda ]; do $bb usleep 5000; done
$bb mount -t ext4 -o rw,noatime,noinit_itable /dev/vda /disk || exec $bb poweroff -f
$bb mount -o move /dev /disk/dev
exec $bb switch_root /disk /sbin/init
"""

# What the kernel does from time to time would be counted with whatever is timed by instructions just then: writing back
# what was pushed half a minute ago (the disk is thrown away, nobody needs it written), gathering pages into huge ones,
# summing up counters. And who is timed may have the core for as long as that takes.
AT_REST = """
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
echo 3600 >/proc/sys/vm/stat_interval
echo 0 >/sys/kernel/mm/transparent_hugepage/khugepaged/defrag
echo -1 >/proc/sys/kernel/sched_rt_runtime_us
"""

# No system manager: busybox's init runs this once and then keeps sshd alive, which boots in a fifth of systemd's time.
START = f"""#!/bin/sh
bb=/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
$bb mount -t tmpfs -o mode=755 run /run
mkdir -p /dev/pts /dev/shm /run/sshd
$bb mount -t devpts -o mode=620,ptmxmode=666 pts /dev/pts
$bb mount -t tmpfs -o mode=1777 shm /dev/shm
$bb ip link set lo up
$bb ip address add 10.0.2.15/24 dev eth0
$bb ip link set eth0 up
$bb hostname board
for core in /sys/devices/system/cpu/cpu[1-9]*; do
    [ ! -w $core/online ] || echo 1 >$core/online
done
{AT_REST}"""

SSHD_CONFIG = """HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
Subsystem sftp internal-sftp
"""

PLAIN_FILES: dict[str, tuple[str, int]] = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/bash\n"
        "sshd:x:101:65534:sshd:/run/sshd:/usr/sbin/nologin\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
        0o644,
    ),
    "etc/shadow": ("root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n", 0o600),
    "etc/group": ("root:x:0:\ntty:x:5:\nnogroup:x:65534:\n", 0o644),
    "etc/hosts": ("127.0.0.1 localhost board\n", 0o644),
    "etc/hostname": ("board\n", 0o644),
    "etc/inittab": ("::sysinit:/etc/board-start\n::respawn:/usr/sbin/sshd -D -e\n", 0o644),
    "etc/board-start": (START, 0o755),
    "etc/ssh/sshd_config": (SSHD_CONFIG, 0o644),
}


def files_for(*, host_key: str, authorized_key: str) -> dict[str, tuple[str, int]]:
    """Every file written into the image, by its path, with its text and mode."""
    return {
        **PLAIN_FILES,
        "etc/ssh/ssh_host_ed25519_key": (host_key, 0o600),
        "root/.ssh/authorized_keys": (authorized_key, 0o600),
    }


def recipe_digest() -> str:
    """A name that changes whenever an image made from this recipe would."""
    everything = [SUITE, DISK_MB, BOARD_PACKAGES, LEFT_OUT, MODULES, FIRST_INIT, PLAIN_FILES]
    return hashlib.sha256(json.dumps(everything).encode()).hexdigest()[:16]
