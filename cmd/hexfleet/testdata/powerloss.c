// A disk that forgets: loaded into the server under test by LD_PRELOAD, it keeps beside SQLite's files DB and
// DB-wal what they would hold after a power loss, in DB.synced and DB-wal.synced. What is written counts once the
// file is synced, not before. The test kills the server, puts these files in place of the real ones, and starts it
// again.
//
// A write notes its range; a sync copies the noted ranges to the .synced file before it returns, so that a kill in
// the middle of it leaves some of them there and some not, as a disk may. Removing a file is lasting at once.
// With POWERLOSS_LIES set a sync is answered and not done: the disk lies, and the test must see the loss.
//
// Go's own files (the secret, NATS) do not pass through libc and are left alone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct range {
	off_t at;
	size_t len;
};

// What was written and not synced, one each for DB and DB-wal. Guarded by mu.
static struct pending {
	struct range *ranges;
	size_t n, room;
} pending[2];
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;

// which tells which of the two files fd is, -1 when it is neither; path takes its name.
static int which(int fd, char path[PATH_MAX]) {
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, PATH_MAX - 1);
	if (n < 0)
		return -1;
	path[n] = 0;
	static const char *ends[] = {"/hexfleet.db", "/hexfleet.db-wal"};
	for (int i = 0; i < 2; i++) {
		size_t len = strlen(ends[i]);
		if ((size_t)n > len && strcmp(path + n - len, ends[i]) == 0)
			return i;
	}
	return -1;
}

static void die(const char *what) {
	perror(what);
	abort(); // a layer that fails must not look like a disk that is well
}

static void note(int fd, off_t at, size_t len) {
	char path[PATH_MAX];
	int i = which(fd, path);
	if (i < 0)
		return;
	pthread_mutex_lock(&mu);
	struct pending *p = &pending[i];
	if (p->n == p->room) {
		p->room = p->room ? 2 * p->room : 256;
		p->ranges = realloc(p->ranges, p->room * sizeof *p->ranges);
		if (!p->ranges)
			die("powerloss: realloc");
	}
	p->ranges[p->n++] = (struct range){at, len};
	pthread_mutex_unlock(&mu);
}

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t), (*real_fsync)(int), (*real_fdatasync)(int), (*real_unlink)(const char *);

__attribute__((constructor)) static void find(void) {
	real_pwrite = dlsym(RTLD_NEXT, "pwrite");
	real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
	real_fsync = dlsym(RTLD_NEXT, "fsync");
	real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
	real_unlink = dlsym(RTLD_NEXT, "unlink");
}

// settle makes lasting what was noted.
static void settle(int fd) {
	char path[PATH_MAX], synced[PATH_MAX + 8];
	int i = which(fd, path);
	if (i < 0 || getenv("POWERLOSS_LIES"))
		return;
	usleep(2000); // as slow as many disks, so that the power often goes while a sync is under way
	snprintf(synced, sizeof synced, "%s.synced", path);
	pthread_mutex_lock(&mu);
	int to = open(synced, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	struct stat now;
	if (to < 0 || fstat(fd, &now) < 0)
		die("powerloss: open");
	struct pending *p = &pending[i];
	for (size_t k = 0; k < p->n; k++) {
		char buf[65536];
		for (size_t done = 0; done < p->ranges[k].len;) {
			size_t want = p->ranges[k].len - done;
			off_t at = p->ranges[k].at + (off_t)done;
			ssize_t got = pread(fd, buf, want < sizeof buf ? want : sizeof buf, at);
			if (got <= 0)
				break; // cut off meanwhile
			if (real_pwrite(to, buf, (size_t)got, at) != got)
				die("powerloss: write");
			done += (size_t)got;
		}
	}
	p->n = 0;
	if (real_ftruncate(to, now.st_size) < 0)
		die("powerloss: truncate");
	close(to);
	pthread_mutex_unlock(&mu);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t at) {
	ssize_t n = real_pwrite(fd, buf, len, at);
	if (n > 0)
		note(fd, at, (size_t)n);
	return n;
}

ssize_t pwrite64(int fd, const void *buf, size_t len, off_t at) { return pwrite(fd, buf, len, at); }

int fsync(int fd) {
	settle(fd);
	return real_fsync(fd);
}

int fdatasync(int fd) {
	settle(fd);
	return real_fdatasync(fd);
}

int unlink(const char *path) {
	char synced[PATH_MAX + 8];
	size_t n = strlen(path);
	if (n > 16 && strcmp(path + n - 16, "/hexfleet.db-wal") == 0) {
		snprintf(synced, sizeof synced, "%s.synced", path);
		real_unlink(synced);
	}
	return real_unlink(path);
}
