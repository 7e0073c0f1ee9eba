#pragma once

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <sys/epoll.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace millrace::bench {

// epoll over connections of one kind.
template <typename Connection>
class Poll {
  public:
    Poll() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), events_(256) { check(epoll_); }
    Poll(const Poll&) = delete;
    ~Poll() { ::close(epoll_); }

    // Readable when one of them has something.
    int descriptor() const { return epoll_; }
    void add(Connection& connection) { control(connection, EPOLL_CTL_ADD, EPOLLIN); }
    // Whether to wake when there is room to write, too.
    void watch_room(Connection& connection, bool on) {
        control(connection, EPOLL_CTL_MOD, on ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
    // -1: until there is something.
    template <typename Handle>
    void wait(std::int64_t timeout_ns, Handle handle) {
        timespec timeout{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
        int count = ::epoll_pwait2(epoll_, events_.data(), static_cast<int>(events_.size()),
                                   timeout_ns < 0 ? nullptr : &timeout, nullptr);
        for (int i = 0; i < count; ++i) handle(*static_cast<Connection*>(events_[i].data.ptr));
    }

  private:
    static void check(int result) {
        if (result < 0) throw std::system_error(errno, std::generic_category(), "epoll");
    }
    void control(Connection& connection, int operation, std::uint32_t events) {
        epoll_event event{.events = events, .data = {.ptr = &connection}};
        check(::epoll_ctl(epoll_, operation, connection.stream.descriptor(), &event));
    }

    int epoll_;
    std::vector<epoll_event> events_;
};

}  // namespace millrace::bench
