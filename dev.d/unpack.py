"""Unpacks the members of a wheel that match a pattern: torch/X, axe_playwright_python/X and nvidia/ANY/X become TO/X.

usage: unpack.py WHEEL TO PATTERN...
"""

import fnmatch
import pathlib
import re
import shutil
import sys
import zipfile

wheel, to, *patterns = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for member in archive.namelist():
        inside = re.fullmatch(r"(?:torch|axe_playwright_python|nvidia/[^/]+)/(.+[^/])", member)
        if inside and any(fnmatch.fnmatchcase(member, pattern) for pattern in patterns):
            target = pathlib.Path(to, inside[1])
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
