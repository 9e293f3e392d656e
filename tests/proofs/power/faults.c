/* Preloaded into a process, this makes the disk under one folder fail when it is told to.

   OEE_FAULT_FOLDER is the folder (an absolute path without links). OEE_FAULT_SYNC=K: the K-th sync of a file there fails with
   EIO, once, as Linux reports it. From inside the process (ctypes): `fault_disk_full` = 1 makes every write that would be
   longer fail with ENOSPC, and `fault_syncs` counts the syncs. Shared memory (-shm) and the queue's throw-away file never fail. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FDS 4096
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

volatile int fault_disk_full;
volatile long fault_syncs;
volatile long fault_fired;

static char watched[FDS];
static const char *folder;
static size_t folder_size;
static long failing_sync = -1;

__attribute__((constructor)) static void begin(void)
{
    const char *number = getenv("OEE_FAULT_SYNC");
    folder = getenv("OEE_FAULT_FOLDER");
    folder_size = folder ? strlen(folder) : 0;
    if (number)
        failing_sync = atol(number);
    unsetenv("LD_PRELOAD"); /* this process, and none that it starts */
}

static int fails(const char *path)
{
    if (!folder || !path || strncmp(path, folder, folder_size) || path[folder_size] != '/')
        return 0;
    const char *name = path + folder_size + 1;
    size_t size = strlen(name);
    return strncmp(name, "queue.db", 8) && strcmp(name, "daemon.lock") && !(size > 4 && !strcmp(name + size - 4, "-shm"));
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
            watched[fd] = fails(path);                          \
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
        if (is_watched(fd) && __sync_add_and_fetch(&fault_syncs, 1) == failing_sync) { \
            fault_fired = failing_sync;                                           \
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
        if (fault_disk_full && is_watched(fd) && !fstat(fd, &found) && at + (offset)size > found.st_size) { \
            errno = ENOSPC;                                                       \
            return -1;                                                            \
        }                                                                         \
        return REAL(symbol)(fd, bytes, size, at);                                 \
    }

PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)
