"""A small disk whose free space can be set: a tmpfs, which only root can mount.

    with Disk(folder / "disk", "4m") as disk:
        if disk.error:
            return print(f"skipped: a full disk ({disk.error})")
"""
import shutil
import subprocess

from programs import run


class Disk:
    """`error` says why there is none."""

    def __init__(self, folder, size="200m"):
        self.folder = folder
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "slm-test", folder]
        mounted = subprocess.run(mount, capture_output=True, text=True)
        self.error = mounted.stderr.strip() if mounted.returncode else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.error:
            run("umount", "--lazy", self.folder)

    def resize(self, size):
        run("mount", "-o", f"remount,size={size}", self.folder)

    def leave(self, kilobytes):
        """Leaves so much free space."""
        # Refused if a run has written in the meantime, so that there is more on it than its new size.
        for attempt in range(100):
            try:
                return self.resize(f"{shutil.disk_usage(self.folder).used // 1024 + kilobytes}k")
            except AssertionError:
                if attempt == 99:
                    raise
