#include "env/posix/process_usage.h"

#include <array>
#include <dirent.h>
#include <fcntl.h>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

namespace millrace::env::posix {
namespace {

std::string read_proc(const char* path) {
    std::array<char, 4096> text;
    int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    ssize_t size = ::read(fd, text.data(), text.size());
    ::close(fd);
    return size <= 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(size));
}

double in_seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::uint64_t count_open_files() {
    DIR* directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) return 0;
    std::uint64_t count = 0;
    while (::readdir(directory) != nullptr) ++count;
    ::closedir(directory);
    return count < 3 ? 0 : count - 3;  // without ".", ".." and the directory itself
}

// Field 22 of /proc/self/stat: ticks between the boot and the start.
double start_seconds() {
    std::string stat = read_proc("/proc/self/stat");
    std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) return 0;
    std::istringstream fields(stat.substr(name_end + 2));
    std::string skipped;
    for (int field = 3; field < 22; ++field) fields >> skipped;
    double ticks = 0;
    fields >> ticks;
    timespec now{}, since_boot{};
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    auto seconds = [](const timespec& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
    };
    return seconds(now) - seconds(since_boot) + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

ProcessUsage process_usage() {
    ProcessUsage usage;
    rusage times{};
    getrusage(RUSAGE_SELF, &times);
    usage.cpu_seconds = in_seconds(times.ru_utime) + in_seconds(times.ru_stime);
    usage.start_seconds = start_seconds();
    usage.open_files = count_open_files();
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    usage.most_open_files = limit.rlim_cur;
    std::uint64_t virtual_pages = 0, resident_pages = 0;
    std::istringstream(read_proc("/proc/self/statm")) >> virtual_pages >> resident_pages;
    auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    usage.virtual_bytes = virtual_pages * page;
    usage.resident_bytes = resident_pages * page;
    return usage;
}

}  // namespace millrace::env::posix
