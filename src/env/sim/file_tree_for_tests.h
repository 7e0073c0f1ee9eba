#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <map>
#include <string>

#include "env/disk.h"
#include "env/sim/disk.h"

// The files below a directory, taken from one simulated disk to another.

namespace millrace::env::sim {

struct StoredFile {
    std::string content;
    Timestamp modified = 0;
};
using FileTree = std::map<std::string, StoredFile>;  // by path

inline void read_tree(env::Disk& disk, const std::string& path, FileTree& files) {
    for (const DirectoryEntry& entry : disk.list(path).value()) {
        std::string name = fmt::format("{}/{}", path, entry.name);
        if (entry.is_directory) {
            read_tree(disk, name, files);
        } else {
            files[name] = {read_file(disk, name).value(), disk.modified(name).value()};
        }
    }
}

inline void write_tree(Disk& disk, const FileTree& files) {
    for (const auto& [name, stored] : files) {
        EXPECT_TRUE(disk.make_directories(parent_of(name)));
        auto file = disk.open(name, {.write = true, .create = true, .truncate = true});
        EXPECT_TRUE(file && (*file)->write(0, as_bytes(stored.content)));
        disk.set_modified(name, stored.modified);
    }
}

// With one bit flipped.
inline FileTree rotten(FileTree files, const std::string& name, std::uint64_t bit) {
    char& byte = files.at(name).content.at(bit / 8);
    byte = static_cast<char>(byte ^ (1 << (bit % 8)));
    return files;
}

}  // namespace millrace::env::sim
