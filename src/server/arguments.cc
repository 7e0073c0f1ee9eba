#include "server/arguments.h"

#include <cstdio>
#include <fmt/core.h>

#include "env/posix/disk.h"

namespace millrace::server {

Result<config::BrokerConfig> read_config(const std::string& path,
                                         const std::vector<config::Property>& overrides) {
    env::posix::Disk disk;
    ASSIGN_OR_RETURN(std::string text, env::read_file(disk, path));
    auto in_file = [&](const Error& error) {
        return fail(error.code, fmt::format("{}: {}", path, error.message));
    };
    Result<config::Properties> file = config::Properties::parse(text);
    if (!file) return in_file(file.error());
    Result<config::BrokerConfig> config = config::BrokerConfig::parse(*file, overrides);
    if (!config) return in_file(config.error());
    return config;
}

int complain(std::string_view command, std::string_view message) {
    fmt::print(stderr, "millrace {}: {}\n", command, message);
    return failed;
}

}  // namespace millrace::server
