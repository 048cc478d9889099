"""Prints the address from which pip would download a wheel, so that curl can resume it.

usage: wheel_url.py PIP_WHEEL NAME==VERSION [options of pip download]

pip itself can only say so after it has downloaded the wheel, unless the index serves metadata apart.
The pip used here is pinned by its hash (pip.txt), so its internals cannot change under this script.
"""

import sys

sys.path.insert(0, sys.argv[1])

from pip._internal.cli.cmdoptions import make_target_python
from pip._internal.commands import create_command
from pip._vendor.packaging.requirements import Requirement

command = create_command("download")
options, (wanted,) = command.parse_args(sys.argv[2:])
requirement = Requirement(wanted)
with command.main_context():
    finder = command._build_package_finder(
        options, command.get_default_session(options), target_python=make_target_python(options)
    )
    best = finder.find_best_candidate(requirement.name, requirement.specifier).best_candidate
if best is None:
    sys.exit(f"the package index has no {wanted} for this platform")
print(best.link.url_without_fragment)
