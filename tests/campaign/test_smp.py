# SPDX-License-Identifier: BSD-2-Clause
"""Stock kernels with 1 to 16 vCPUs on 1 to 8 CPUs: the whole matrix with one kernel, its
corners with the others. tests/boot/test_smp.py has what each must do, and some of it."""

import unittest

from tests.boot import test_smp
from tests.support import DEBIAN_KERNELS

CPUS = (1, 2, 4, 8)
VCPUS = (1, 2, 4, 8, 16)
CORNERS = ((1, 16), (4, 4), (8, 16))
MOST = "6.1_cloud"


class Matrix(unittest.TestCase):
    start = test_smp.Guest.start
    works = test_smp.Guest.works
    ends_well = test_smp.Guest.ends_well


for _kernel in DEBIAN_KERNELS:
    for _cpus in CPUS:
        for _vcpus in VCPUS:
            if _kernel == MOST or (_cpus, _vcpus) in CORNERS:
                setattr(Matrix, f"test_{_kernel}_{_vcpus:02}_vcpus_on_{_cpus}_cpus",
                        test_smp.runs(_cpus, _vcpus, _kernel, 1))


if __name__ == "__main__":
    unittest.main()
