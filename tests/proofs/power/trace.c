/* Preloaded into a process, this notes every change it makes to the files of one folder, in the order in which they were made.

   OEE_TRACE is where the notes go, OEE_TRACE_FOLDER the folder (an absolute path without links). One lock is held from before
   a call to after its note, so the order of the notes is the order of the calls. Shared memory (-shm) and the queue's throw-away
   file are left out: no promise rests on them. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 4096
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

struct note {
    char what; /* o open, w write, t truncate, s sync, u unlink, r rename */
    int32_t fd;
    int64_t at; /* offset of a write, length of a truncation */
    uint32_t name_size, data_size;
} __attribute__((packed));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char watched[FDS];
static int notes = -1;
static const char *folder;
static size_t folder_size;

static ssize_t (*real_write)(int, const void *, size_t);

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("OEE_TRACE");
    real_write = REAL(write);
    folder = getenv("OEE_TRACE_FOLDER");
    if (!path || !folder)
        return;
    folder_size = strlen(folder);
    notes = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    unsetenv("LD_PRELOAD"); /* this process, and none that it starts */
}

/* The name within the folder, "" for the folder itself, NULL for what is not watched. */
static const char *name_of(const char *path)
{
    if (notes < 0 || !path || strncmp(path, folder, folder_size))
        return NULL;
    path += folder_size;
    if (!*path)
        return path;
    if (*path++ != '/' || strchr(path, '/') || !strncmp(path, "queue.db", 8) || !strcmp(path, "daemon.lock"))
        return NULL;
    size_t size = strlen(path);
    return size > 4 && !strcmp(path + size - 4, "-shm") ? NULL : path;
}

static void all(const void *bytes, size_t size)
{
    for (ssize_t n; size; bytes = (const char *)bytes + n, size -= n)
        if ((n = real_write(notes, bytes, size)) < 0)
            abort(); /* a trace with a hole proves nothing */
}

static void note(char what, int fd, int64_t at, const char *name, size_t name_size, const void *data, size_t data_size)
{
    struct note head = {what, fd, at, name_size, data_size};
    int saved = errno;
    all(&head, sizeof head);
    all(name, name_size);
    all(data, data_size);
    errno = saved;
}

static int is_watched(int fd) { return fd >= 0 && fd < FDS && watched[fd]; }

static void opened(int fd, const char *name, int flags)
{
    if (fd < 0 || fd >= FDS)
        return;
    watched[fd] = name != NULL;
    if (!name)
        return;
    note('o', fd, 0, name, strlen(name), NULL, 0);
    if (flags & O_TRUNC)
        note('t', fd, 0, NULL, 0, NULL, 0);
}

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
        pthread_mutex_lock(&lock);                              \
        int fd = REAL(symbol)(__VA_ARGS__, flags, mode);        \
        opened(fd, name_of(path), flags);                       \
        pthread_mutex_unlock(&lock);                            \
        return fd;                                              \
    }

OPEN(open, (const char *path, int flags, ...), path, path)
OPEN(open64, (const char *path, int flags, ...), path, path)
OPEN(openat, (int at, const char *path, int flags, ...), path, at, path)
OPEN(openat64, (int at, const char *path, int flags, ...), path, at, path)

int close(int fd)
{
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FDS)
        watched[fd] = 0;
    int result = REAL(close)(fd);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    if (!is_watched(fd))
        return real_write ? real_write(fd, bytes, size) : REAL(write)(fd, bytes, size);
    pthread_mutex_lock(&lock);
    ssize_t n = real_write(fd, bytes, size);
    if (n > 0)
        note('w', fd, lseek(fd, 0, SEEK_CUR) - n, NULL, 0, bytes, n);
    pthread_mutex_unlock(&lock);
    return n;
}

#define PWRITE(symbol, offset)                                                    \
    ssize_t symbol(int fd, const void *bytes, size_t size, offset at)             \
    {                                                                             \
        pthread_mutex_lock(&lock);                                                \
        ssize_t n = REAL(symbol)(fd, bytes, size, at);                            \
        if (n > 0 && is_watched(fd))                                              \
            note('w', fd, at, NULL, 0, bytes, n);                                 \
        pthread_mutex_unlock(&lock);                                              \
        return n;                                                                 \
    }

PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define ON_FD(symbol, parameters, what, at, ...)                                  \
    int symbol parameters                                                         \
    {                                                                             \
        pthread_mutex_lock(&lock);                                                \
        int result = REAL(symbol)(__VA_ARGS__);                                   \
        if (!result && is_watched(fd))                                            \
            note(what, fd, at, NULL, 0, NULL, 0);                                 \
        pthread_mutex_unlock(&lock);                                              \
        return result;                                                            \
    }

ON_FD(ftruncate, (int fd, off_t size), 't', size, fd, size)
ON_FD(ftruncate64, (int fd, off64_t size), 't', size, fd, size)
ON_FD(fsync, (int fd), 's', 0, fd)
ON_FD(fdatasync, (int fd), 's', 0, fd)

int unlink(const char *path)
{
    pthread_mutex_lock(&lock);
    int result = REAL(unlink)(path);
    const char *name = name_of(path);
    if (!result && name)
        note('u', -1, 0, name, strlen(name), NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int rename(const char *from, const char *to)
{
    pthread_mutex_lock(&lock);
    int result = REAL(rename)(from, to);
    const char *old = name_of(from), *new = name_of(to);
    if (!result && old && new)
        note('r', -1, 0, old, strlen(old), new, strlen(new));
    else if (!result && (old || new))
        abort(); /* in or out of the folder: not something that the replay can follow */
    pthread_mutex_unlock(&lock);
    return result;
}
