#include "counted.h"

#include <cstdlib>
#include <initializer_list>
#include <new>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace millrace::cost {
namespace {

thread_local Counted counts;

template <typename Combine>
Counted combined(const Counted& a, const Counted& b, Combine combine) {
    Counted result;
    for (auto field : {&Counted::allocations, &Counted::receives, &Counted::sends,
                       &Counted::file_sends, &Counted::writes, &Counted::probes, &Counted::polls,
                       &Counted::watches, &Counted::wakes, &Counted::syncs}) {
        result.*field = combine(a.*field, b.*field);
    }
    return result;
}

}  // namespace

Counted Counted::operator-(const Counted& before) const {
    return combined(*this, before, [](std::uint64_t a, std::uint64_t b) { return a - b; });
}
Counted Counted::operator+(const Counted& other) const {
    return combined(*this, other, [](std::uint64_t a, std::uint64_t b) { return a + b; });
}

const Counted& counted() { return counts; }

}  // namespace millrace::cost

using millrace::cost::counts;

void* operator new(std::size_t size) {
    ++counts.allocations;
    void* block = std::malloc(size);
    if (block == nullptr) throw std::bad_alloc();
    return block;
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

// The names are the linker's (--wrap).  NOLINTBEGIN
extern "C" {

void* __real_realloc(void* block, std::size_t size);
void* __wrap_realloc(void* block, std::size_t size) {
    ++counts.allocations;
    return __real_realloc(block, size);
}
ssize_t __real_recv(int fd, void* into, std::size_t size, int flags);
ssize_t __wrap_recv(int fd, void* into, std::size_t size, int flags) {
    ++counts.receives;
    return __real_recv(fd, into, size, flags);
}
ssize_t __real_sendmsg(int fd, const msghdr* message, int flags);
ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
    ++counts.sends;
    return __real_sendmsg(fd, message, flags);
}
ssize_t __real_sendfile(int out, int in, off_t* offset, std::size_t size);
ssize_t __wrap_sendfile(int out, int in, off_t* offset, std::size_t size) {
    ++counts.file_sends;
    return __real_sendfile(out, in, offset, size);
}
ssize_t __real_pwritev(int fd, const iovec* pieces, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const iovec* pieces, int count, off_t offset) {
    ++counts.writes;
    return __real_pwritev(fd, pieces, count, offset);
}
ssize_t __real_preadv2(int fd, const iovec* pieces, int count, off_t offset, int flags);
ssize_t __wrap_preadv2(int fd, const iovec* pieces, int count, off_t offset, int flags) {
    ++counts.probes;
    return __real_preadv2(fd, pieces, count, offset, flags);
}
long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f) {
    ++counts.probes;  // cachestat
    return __real_syscall(number, a, b, c, d, e, f);
}
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd) {
    ++counts.syncs;
    return __real_fdatasync(fd);
}
int __real_epoll_wait(int epoll, epoll_event* events, int most, int timeout);
int __wrap_epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
    ++counts.polls;
    return __real_epoll_wait(epoll, events, most, timeout);
}
int __real_epoll_pwait2(int epoll, epoll_event* events, int most, const timespec* timeout,
                        const sigset_t* signals);
int __wrap_epoll_pwait2(int epoll, epoll_event* events, int most, const timespec* timeout,
                        const sigset_t* signals) {
    ++counts.polls;
    return __real_epoll_pwait2(epoll, events, most, timeout, signals);
}
int __real_epoll_ctl(int epoll, int operation, int fd, epoll_event* event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
    ++counts.watches;
    return __real_epoll_ctl(epoll, operation, fd, event);
}
int __real_eventfd_write(int fd, eventfd_t value);
int __wrap_eventfd_write(int fd, eventfd_t value) {
    ++counts.wakes;
    return __real_eventfd_write(fd, value);
}

}  // NOLINTEND
