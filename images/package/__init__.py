# SPDX-License-Identifier: BSD-2-Clause
"""Packages of native domains: proto/package.h, written and read on the host.

    dom.py      the file: fields, checks, digest
    program.py  from an ELF program to what is in the file
    needs.py    what a program needs, against what a description gives
    make.py     the step of the build that makes NAME.dom
    sign.py     signing and checking signatures, by openssl
    show.py     a package in words and as JSON
"""
