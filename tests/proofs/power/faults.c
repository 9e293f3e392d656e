/* Preloaded into a process, this makes the disk under one folder fail when it is told to.

   OEE_FAULT_FOLDER is the folder (an absolute path without links). The rest is told from inside the process, by ctypes:
   fault_sync_at = K    the K-th sync of a file there fails with EIO, once, as Linux reports it
   fault_full_at = K    from the K-th write on there is no room: what would make a file longer fails with ENOSPC
   fault_no_room = 1    the disk says that it has no room, and still takes what is written
   Shared memory (-shm), the queue's throw-away file, the lock and the notes of what was told never fail. Nor does the sync of
   a folder: SQLite makes it and does not look at what came of it (unixSync), so that there is nothing to see. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FDS 4096
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

volatile long fault_sync_at, fault_full_at, fault_no_room;
volatile long fault_syncs, fault_writes, fault_fired; /* counted here, read and reset by the process */

static char watched[FDS];
static const char *folder;
static size_t folder_size;

__attribute__((constructor)) static void begin(void)
{
    folder = getenv("OEE_FAULT_FOLDER");
    folder_size = folder ? strlen(folder) : 0;
    unsetenv("LD_PRELOAD"); /* this process, and none that it starts */
}

static int fails(const char *path)
{
    if (!folder || !path || strncmp(path, folder, folder_size) || path[folder_size] != '/')
        return 0;
    const char *name = strrchr(path, '/') + 1;
    size_t size = strlen(name);
    return strncmp(name, "queue.db", 8) && strcmp(name, "daemon.lock") && strcmp(name, "acks")
        && !(size > 4 && !strcmp(name + size - 4, "-shm"));
}

static int is_folder(int fd)
{
    struct stat found;
    return !fstat(fd, &found) && S_ISDIR(found.st_mode);
}

static int is_watched(int fd) { return fd >= 0 && fd < FDS && watched[fd]; }

#define OPEN(symbol, parameters, path, ...)                     \
    int symbol parameters                                       \
    {                                                           \
        mode_t mode = 0;                                        \
        if (flags & (O_CREAT | O_TMPFILE)) {                    \
            va_list rest;                                       \
            va_start(rest, flags);                              \
            mode = va_arg(rest, mode_t);                        \
            va_end(rest);                                       \
        }                                                       \
        int fd = REAL(symbol)(__VA_ARGS__, flags, mode);        \
        if (fd >= 0 && fd < FDS)                                \
            watched[fd] = fails(path) && !is_folder(fd);        \
        return fd;                                              \
    }

OPEN(open, (const char *path, int flags, ...), path, path)
OPEN(open64, (const char *path, int flags, ...), path, path)
OPEN(openat, (int at, const char *path, int flags, ...), path, at, path)
OPEN(openat64, (int at, const char *path, int flags, ...), path, at, path)

int close(int fd)
{
    if (fd >= 0 && fd < FDS)
        watched[fd] = 0;
    return REAL(close)(fd);
}

#define SYNC(symbol)                                                              \
    int symbol(int fd)                                                            \
    {                                                                             \
        if (is_watched(fd) && __sync_add_and_fetch(&fault_syncs, 1) == fault_sync_at) { \
            fault_fired++;                                                        \
            errno = EIO;                                                          \
            return -1;                                                            \
        }                                                                         \
        return REAL(symbol)(fd);                                                  \
    }

SYNC(fsync)
SYNC(fdatasync)

#define PWRITE(symbol, offset)                                                    \
    ssize_t symbol(int fd, const void *bytes, size_t size, offset at)             \
    {                                                                             \
        struct stat found;                                                        \
        if (is_watched(fd) && __sync_add_and_fetch(&fault_writes, 1) >= fault_full_at && fault_full_at \
            && !fstat(fd, &found) && at + (offset)size > found.st_size) {         \
            fault_fired++;                                                        \
            errno = ENOSPC;                                                       \
            return -1;                                                            \
        }                                                                         \
        return REAL(symbol)(fd, bytes, size, at);                                 \
    }

PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define STATVFS(symbol)                                                           \
    int symbol(const char *path, struct symbol *found)                            \
    {                                                                             \
        int result = REAL(symbol)(path, found);                                   \
        if (!result && fault_no_room)                                             \
            found->f_bavail = found->f_bfree = 0;                                 \
        return result;                                                            \
    }

STATVFS(statvfs)
STATVFS(statvfs64)
