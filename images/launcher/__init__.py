# SPDX-License-Identifier: BSD-2-Clause
"""The `./tessera` command: build, boot, make images, test."""
