# SPDX-License-Identifier: BSD-2-Clause
"""The tools' side of the control line: docs/reference/control-protocol.md."""
