"""Each way that Python has to change a file, as a line or two in a folder with `kept.txt` and `folder`."""

# ruff: noqa: E501 (one line a way reads better than ten)
from __future__ import annotations

# What stands before all of them.
BEFORE = """
import asyncio, bz2, codecs, cProfile, ctypes, dbm.dumb, faulthandler, fileinput, gzip, importlib, io, logging, lzma
import marshal, mmap, multiprocessing, os, pathlib, pickle, posix, pty, py_compile, shelve, shutil, signal, socket
import sqlite3, subprocess, sys, tarfile, tempfile, threading, tracemalloc, zipfile
"""

FILES = {
    "open": "open('new', 'w').close()",
    "open to append": "with open('kept.txt', 'a') as file: file.write('more')",
    "open to change": "with open('kept.txt', 'r+') as file: file.write('K')",
    "open bytes": "open(b'new', 'xb').close()",
    "open with an opener": "open('new', 'w', opener=lambda name, flags: os.open(name, flags)).close()",
    "io.FileIO": "io.FileIO('new', 'w').close()",
    "codecs.open": "codecs.StreamReaderWriter(open('new', 'wb'), *codecs.lookup('utf-8')[2:4]).write('x')",
    "os.open": "os.close(os.open('new', os.O_WRONLY | os.O_CREAT, 0o644))",
    "os.open in a folder": "os.close(os.open('new', os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=os.open('folder', os.O_RDONLY)))",
    "posix.open": "os.close(posix.open('new', os.O_WRONLY | os.O_CREAT, 0o644))",
    "os.write": "os.write(os.open('kept.txt', os.O_WRONLY), b'K')",
    "os.pwrite": "os.pwrite(os.open('kept.txt', os.O_RDWR), b'K', 1)",
    "os.truncate": "os.truncate('kept.txt', 1)",
    "os.ftruncate": "os.ftruncate(os.open('kept.txt', os.O_RDWR), 1)",
    "os.posix_fallocate": "os.posix_fallocate(os.open('kept.txt', os.O_RDWR), 0, 9)",
    "os.sendfile": "os.sendfile(os.open('new', os.O_WRONLY | os.O_CREAT, 0o644), os.open('kept.txt', os.O_RDONLY), 0, 3)",
    "mmap": "mmap.mmap(os.open('kept.txt', os.O_RDWR), 0)[0:1] = b'K'",
    "pathlib": "pathlib.Path('new').write_text('x')",
    "pathlib.touch": "pathlib.Path('new').touch()",
    "a thread": "thread = threading.Thread(target=lambda: open('new', 'w').close()); thread.start(); thread.join()",
    "a fork": "child = os.fork()\nif not child:\n    open('new', 'w').close()\n    os._exit(0)\nos.waitpid(child, 0)",
    "a process": "p = multiprocessing.get_context('fork').Process(target=open, args=('new', 'w')); p.start(); p.join()",
}
ENTRIES = {
    "os.remove": "os.remove('kept.txt')",
    "os.remove in a folder": "os.remove('inner.txt', dir_fd=os.open('folder', os.O_RDONLY))",
    "posix.unlink": "posix.unlink('kept.txt')",
    "pathlib.unlink": "pathlib.Path('kept.txt').unlink()",
    "os.rmdir": "os.rmdir('empty')",
    "os.removedirs": "os.removedirs('empty')",
    "os.mkdir": "os.mkdir('made')",
    "posix.mkdir": "posix.mkdir('made')",
    "os.makedirs": "os.makedirs('made/deep')",
    "os.rename": "os.rename('kept.txt', 'moved')",
    "os.rename in folders": "at = os.open('folder', os.O_RDONLY); os.rename('inner.txt', 'moved', src_dir_fd=at, dst_dir_fd=at)",
    "os.replace": "os.replace('folder/inner.txt', 'kept.txt')",
    "os.renames": "os.renames('kept.txt', 'made/moved')",
    "os.link": "os.link('kept.txt', 'linked')",
    "os.symlink": "os.symlink('kept.txt', 'linked')",
    "os.mkfifo": "os.mkfifo('pipe')",
    "posix.mkfifo": "posix.mkfifo('pipe')",
    "os.mknod": "os.mknod('node')",
    "socket.bind": "socket.socket(socket.AF_UNIX).bind('port')",
}
ATTRIBUTES = {
    "os.chmod": "os.chmod('kept.txt', 0o600)",
    "os.fchmod": "os.fchmod(os.open('kept.txt', os.O_RDONLY), 0o600)",
    "os.chown": "os.chown('kept.txt', 12345, 12345)",
    "os.lchown": "os.lchown('kept.txt', 12345, 12345)",
    "os.fchown": "os.fchown(os.open('kept.txt', os.O_RDONLY), 12345, 12345)",
    "os.utime": "os.utime('kept.txt', (5, 5))",
    "os.utime of a descriptor": "os.utime(os.open('kept.txt', os.O_RDONLY), (5, 5))",
    "os.setxattr": "os.setxattr('kept.txt', 'user.nnlint', b'x')",
    "os.removexattr": "os.removexattr('kept.txt', 'user.kept')",
}
LIBRARY = {
    "shutil.copyfile": "shutil.copyfile('kept.txt', 'new')",
    "shutil.copy2": "shutil.copy2('kept.txt', 'new')",
    "shutil.copymode": "shutil.copymode('folder', 'kept.txt')",
    "shutil.copystat": "shutil.copystat('folder', 'kept.txt')",
    "shutil.chown": "shutil.chown('kept.txt', 12345)",
    "shutil.copytree": "shutil.copytree('folder', 'made')",
    "shutil.move": "shutil.move('kept.txt', 'folder')",
    "shutil.rmtree": "shutil.rmtree('folder')",
    "shutil.make_archive": "shutil.make_archive('made', 'zip', 'folder')",
    "shutil.unpack_archive": "shutil.unpack_archive('kept.zip', 'made')",
    "tempfile.mkstemp": "tempfile.mkstemp(dir=os.getcwd())",
    "tempfile.mkdtemp": "tempfile.mkdtemp(dir=os.getcwd())",
    "tempfile": "tempfile.NamedTemporaryFile(dir=os.getcwd(), delete=False).close()",
    "sqlite3": "base = sqlite3.connect('new.db'); base.execute('create table a (b)'); base.close()",
    "sqlite3 by address": "base = sqlite3.connect('file:new.db?mode=rwc', uri=True); base.execute('create table a (b)'); base.close()",
    "dbm": "base = dbm.dumb.open('new', 'c'); base['a'] = 'b'; base.close()",
    "shelve": "with shelve.Shelf(dbm.dumb.open('new', 'c')) as shelf: shelf['a'] = 1",
    "logging": "handler = logging.FileHandler('new'); handler.emit(logging.makeLogRecord({})); handler.close()",
    "zipfile": "with zipfile.ZipFile('new', 'w') as archive: archive.write('kept.txt')",
    "tarfile": "with tarfile.open('new', 'w:gz') as archive: archive.add('kept.txt')",
    "gzip": "gzip.open('new', 'w').close()",
    "bz2": "bz2.open('new', 'w').close()",
    "lzma": "lzma.open('new', 'w').close()",
    "fileinput": "with fileinput.input('kept.txt', inplace=True) as lines:\n    for line in lines: print('other')",
    "pickle": "with open('new', 'wb') as file: pickle.dump(1, file)",
    "marshal": "with open('new', 'wb') as file: marshal.dump(1, file)",
    "faulthandler": "file = open('kept.txt', 'r+'); faulthandler.dump_traceback(file)",
    "tracemalloc": "tracemalloc.start(); tracemalloc.take_snapshot().dump('new'); tracemalloc.stop()",
    "cProfile": "cProfile.Profile().dump_stats('new')",
    "py_compile": "py_compile.compile('module.py')",
    "an import": "sys.dont_write_bytecode = False; sys.path.insert(0, os.getcwd()); importlib.invalidate_caches(); import module; sys.path.pop(0)",
}
PROGRAMS = {
    "subprocess": "subprocess.run(['touch', 'made'], check=True)",
    "os.system": "assert os.system('touch made') == 0",
    "os.popen": "os.popen('touch made').close()",
    "os.posix_spawn": "os.waitpid(os.posix_spawnp('touch', ['touch', 'made'], os.environ), 0)",
    "os.spawnlp": "os.spawnlp(os.P_WAIT, 'touch', 'touch', 'made')",
    "os.execvp": "child = os.fork()\nif not child:\n    try: os.execvp('touch', ['touch', 'made'])\n    finally: os._exit(1)\nos.waitpid(child, 0)",
    "pty.spawn": "pty.spawn(['touch', 'made'])",
    "asyncio": "async def start():\n    await (await asyncio.create_subprocess_exec('touch', 'made')).wait()\nasyncio.run(start())",
}
# Not by way of Python's functions: what the audit hook cannot see.
NATIVE = {
    "ctypes": "ctypes.CDLL(None).unlink(b'kept.txt')",
    "ctypes to write": "ctypes.CDLL(None).truncate(b'kept.txt', ctypes.c_long(1))",
}
WAYS = {**FILES, **ENTRIES, **ATTRIBUTES, **LIBRARY, **PROGRAMS, **NATIVE}
