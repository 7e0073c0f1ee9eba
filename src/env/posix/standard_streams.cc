#include "env/posix/standard_streams.h"

#include <cerrno>
#include <climits>
#include <cstdint>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env/posix/system_error.h"

namespace millrace::env::posix {

StandardInput::StandardInput() : stopped_(eventfd(0, EFD_CLOEXEC)) {
    require(stopped_.valid(), "eventfd");
}

Result<std::size_t> StandardInput::read(MutableBytes into) {
    for (;;) {
        pollfd watched[] = {{STDIN_FILENO, POLLIN, 0}, {stopped_.get(), POLLIN, 0}};
        if (::poll(watched, 2, -1) < 0 && errno != EINTR) {
            return storage_failure("standard input", errno);
        }
        if (watched[1].revents != 0) return 0;
        if (watched[0].revents == 0) continue;
        ssize_t count = ::read(STDIN_FILENO, into.data(), into.size());
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno != EINTR && errno != EAGAIN) return storage_failure("standard input", errno);
    }
}

void StandardInput::stop() {
    std::uint64_t one = 1;
    require(::write(stopped_.get(), &one, sizeof one) == sizeof one, "eventfd write");
}

bool StandardInput::is_terminal() const { return ::isatty(STDIN_FILENO) == 1; }

bool write_standard(StandardStream stream, std::string_view text) {
    int fd = stream == StandardStream::output ? STDOUT_FILENO : STDERR_FILENO;
    while (!text.empty()) {
        ssize_t count = ::write(fd, text.data(), text.size());
        if (count >= 0) {
            text.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) {
            pollfd watched{fd, POLLOUT, 0};
            ::poll(&watched, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

Result<std::string> own_executable() {
    std::string path(PATH_MAX, '\0');
    ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
    if (size < 0) return storage_failure("/proc/self/exe", errno);
    path.resize(static_cast<std::size_t>(size));
    return path;
}

Result<> make_link(const std::string& target, const std::string& path) {
    struct stat found{};
    if (::lstat(path.c_str(), &found) == 0 && S_ISLNK(found.st_mode)) ::unlink(path.c_str());
    if (::symlink(target.c_str(), path.c_str()) < 0) return storage_failure(path, errno);
    return {};
}

}  // namespace millrace::env::posix
