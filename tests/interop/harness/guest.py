"""A node in a virtual machine, whose kernel has what the machine's own may lack: kernel TLS.

Debian's kernel and QEMU, which emulates the processor: not every machine can lend its own. All that
the guest has is one archive in its memory, and its ports are reached through the host's loopback.
"""

import functools
import pathlib
import re
import shutil
import subprocess

from harness import processes, toolchains
from harness.node import MillraceNode

PACKAGE = "linux-image-cloud-amd64"
MODULES = ["virtio_pci", "virtio_net", "tls", "gcm", "ccm", "ghash-generic", "aesni-intel",
           "ghash-clmulni-intel", "chacha20poly1305", "chacha-x86_64", "poly1305-x86_64"]
# Whether timers are on time is not asked: on a busy host they are not.
KERNEL_OPTIONS = "console=ttyS0 quiet panic=-1 no_timer_check nowatchdog"
ADDRESS = "10.0.2.15"  # what QEMU's network calls its guest
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in {modules}; do modprobe $module || echo "no module $module"; done
ip link set lo up
ip addr add {address}/24 dev eth0
ip link set eth0 up
cd /node
{prepare}
{run} &
while kill -0 $!; do
    awk '/TxSw/ {{ print "tls_stat", $1, $2 }}' /proc/net/tls_stat
    sleep 1
done
poweroff -f
"""


@functools.cache
def kernel():
    """The kernel's image, the folder with its modules, its version."""
    folder = toolchains.CACHE / "guest-kernel"
    if not list(folder.glob("boot/vmlinuz-*")):
        apt = toolchains.need("apt-get", "apt")
        making = folder.with_name("guest-kernel.new")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        try:
            _run([apt, "download", PACKAGE], cwd=making)
            about = _run(["dpkg", "-I", *making.glob("*.deb")]).stdout
            package = re.search(r"Depends: (linux-image-[^ ,]+)", about)[1]
            _run([apt, "download", package], cwd=making)
        except RuntimeError as error:
            raise toolchains.Missing(f"no Debian kernel to be had: {error}") from error
        _run(["dpkg", "-x", *making.glob(f"{package}_*.deb"), making])
        version = package.removeprefix("linux-image-")
        _run([toolchains.need("busybox", "busybox-static"), "depmod", "-b", making, version])
        making.rename(folder)
    image, = folder.glob("boot/vmlinuz-*")
    version = image.name.removeprefix("vmlinuz-")
    return image, folder / "lib" / "modules" / version, version


def _run(arguments, **options):
    done = subprocess.run([str(one) for one in arguments], capture_output=True, text=True,
                          check=False, timeout=300, **options)
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr.strip()}")
    return done


def _copy(source, root, name=None):
    to = root / str(name or source).lstrip("/")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, to)


def _copy_modules(root):
    _, modules, version = kernel()
    depends = dict(line.split(":") for line in (modules / "modules.dep").read_text().splitlines())
    wanted = {f"/{name}.ko" for name in MODULES}
    for path, others in depends.items():
        if any(path.endswith(one) for one in wanted):
            for each in [path, *others.split()]:
                _copy(modules / each, root, f"lib/modules/{version}/{each}")
    _copy(modules / "modules.dep", root, f"lib/modules/{version}/modules.dep")


class GuestNode(MillraceNode):
    """A Millrace node whose process is the machine that it runs in.

    `ports` maps those it listens on in the guest to those of the host.
    """

    def __init__(self, folder, ports, files):
        super().__init__(folder)
        self.ports, self.files = ports, files
        self.port = ports[9092]

    start_seconds = 240  # its machine's, too

    def launch(self):
        qemu = toolchains.need("qemu-system-x86_64", "qemu-system-x86")
        image, _, _ = kernel()
        self.write_properties()
        self._logged_before = 0
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{host}-{ADDRESS}:{guest}"
                           for guest, host in self.ports.items())
        self.process = processes.Process(
            [qemu, "-M", "q35", "-cpu", "max", "-accel", "tcg", "-m", "1024",
             "-nographic", "-no-reboot", "-kernel", image, "-initrd", self._archive(),
             "-append", KERNEL_OPTIONS,
             "-netdev", f"user,id=net{forwards}",
             "-device", "virtio-net-pci,netdev=net,romfile="], self.log)

    def _archive(self):
        """What the guest begins with: a file system of busybox, the modules, and the node."""
        root = self.folder / "root"
        for name in ("bin", "proc", "sys", "dev", "tmp", "node"):
            (root / name).mkdir(parents=True)
        _copy(toolchains.need("busybox", "busybox-static"), root, "bin/busybox")
        _copy_modules(root)
        _run(["strip", "-o", root / "node" / "millrace", self.executable])
        for line in _run(["ldd", self.executable]).stdout.splitlines():
            if library := re.search(r"(/\S+) \(", line):
                _copy(library[1], root)
        for path in self.files:
            _copy(path, root, f"node/{pathlib.Path(path).name}")
        _copy(self.properties_file, root, "node/node.properties")
        (root / "init").write_text(INIT.format(
            modules=" ".join(MODULES), address=ADDRESS,
            prepare="/node/millrace storage format --standalone -t aW50ZXJvcC1jbHVzdGVyMQ "
                    "-c node.properties",
            run="/node/millrace server node.properties"))
        (root / "init").chmod(0o755)
        names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
        archive = self.folder / "guest.cpio"
        with open(archive, "wb") as output:
            subprocess.run([toolchains.need("busybox", "busybox-static"), "cpio", "-o", "-H",
                            "newc"], cwd=root, input=names.encode(), stdout=output,
                           stderr=subprocess.DEVNULL, check=True)
        shutil.rmtree(root)
        return archive

    def tls_figures(self):
        """/proc/net/tls_stat of the guest, as it last told."""
        return {name: int(value)
                for name, value in re.findall(r"tls_stat (\w+) (\d+)", self.since_start())}
