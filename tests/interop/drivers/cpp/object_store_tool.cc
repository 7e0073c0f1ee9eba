// object_store_tool SETTINGS COMMAND [ARGUMENT...]: one call of the store that a node with this
// properties file would use.
//
//   put KEY FILE          get KEY OFFSET SIZE (to standard output)
//   remove KEY            list PREFIX (a key a line)
//   promises SEED         what every store promises; the store is empty before and after
//
// Ends with 1 and the error on standard error where the call fails.

#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "config/properties.h"
#include "env/disk.h"
#include "env/posix/disk.h"
#include "storage/remote/object_store_for_tests.h"
#include "storage/s3/open_store.h"

namespace {

using namespace millrace;
using storage::remote::ObjectStore;

Result<std::unique_ptr<ObjectStore>> open(env::Disk& disk, const std::string& file) {
    constexpr std::string_view prefix = "rsm.config.";
    ASSIGN_OR_RETURN(std::string text, env::read_file(disk, file));
    ASSIGN_OR_RETURN(config::Properties properties, config::Properties::parse(text));
    std::map<std::string, std::string, std::less<>> values;
    for (const config::Property& property : properties.all()) {
        if (!property.key.starts_with(prefix)) continue;
        values.insert_or_assign(property.key.substr(prefix.size()), property.value);
    }
    auto environment = [](std::string_view name) -> std::optional<std::string> {
        const char* value = std::getenv(std::string(name).c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
    ASSIGN_OR_RETURN(auto settings, storage::remote::parse_store_settings(
                                        properties.get("remote.log.storage.manager.class.name"),
                                        values, prefix, environment));
    return storage::s3::open_store(settings, disk, 1, 1);
}

Result<> put(ObjectStore& store, env::Disk& disk, const std::string& key, const std::string& path) {
    ASSIGN_OR_RETURN(auto file, disk.open(path, {}));
    ASSIGN_OR_RETURN(std::uint64_t size, file->size());
    storage::remote::FileSource source(file, path, size);
    return store.put(key, source);
}

Result<> run(ObjectStore& store, env::Disk& disk, const std::vector<std::string>& words) {
    const std::string& command = words[0];
    if (command == "put") return put(store, disk, words.at(1), words.at(2));
    if (command == "remove") return store.remove(words.at(1));
    if (command == "get") {
        ASSIGN_OR_RETURN(Buffer bytes, store.get(words.at(1), std::stoull(words.at(2)),
                                                 std::stoull(words.at(3))));
        std::fwrite(bytes.data(), 1, bytes.size(), stdout);
        return {};
    }
    if (command == "list") {
        ASSIGN_OR_RETURN(auto keys, store.list(words.size() > 1 ? words[1] : ""));
        for (const std::string& key : keys) std::printf("%s\n", key.c_str());
        return {};
    }
    return fail(ErrorCode::invalid_request, "no command is named " + command);
}

ObjectStore* promising = nullptr;
std::uint64_t seed = 0;

TEST(ObjectStoreOfSettings, KeepsItsPromises) {
    storage::remote::expect_keeps_promises(*promising, seed);
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() < 2) return 2;
    env::posix::Disk disk;
    auto store = open(disk, words[0]);
    if (!store) {
        std::fprintf(stderr, "%s\n", store.error().message.c_str());
        return 1;
    }
    if (words[1] == "promises") {
        testing::InitGoogleTest();
        promising = store->get();
        seed = std::stoull(words.at(2));
        return RUN_ALL_TESTS();
    }
    Result<> done = run(**store, disk, {words.begin() + 1, words.end()});
    if (!done) std::fprintf(stderr, "%s\n", done.error().message.c_str());
    return done ? 0 : 1;
}
