// Moves the wall clock of the program into which it is loaded (LD_PRELOAD) by
// the nanoseconds that are in the file named by MODELTEST_CLOCK: eight bytes, in
// the machine's order. The monotonic clock stays as it is.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *moved;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
	const char *path = getenv("MODELTEST_CLOCK");
	int file = path ? open(path, O_RDONLY) : -1;
	if (file >= 0) {
		void *p = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
		if (p != MAP_FAILED) moved = p;
		close(file);
	}
	real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t id, struct timespec *t) {
	if (!real_clock_gettime) real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	int failed = real_clock_gettime(id, t);
	if (!failed && moved && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
		t->tv_sec += *moved / 1000000000;
		t->tv_nsec += *moved % 1000000000;
		if (t->tv_nsec >= 1000000000) {
			t->tv_sec++;
			t->tv_nsec -= 1000000000;
		}
	}
	return failed;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
	struct timespec now;
	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
	t->tv_sec = now.tv_sec;
	t->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *t) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (t) *t = now.tv_sec;
	return now.tv_sec;
}
