#pragma once

#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/random.h"
#include "storage/remote/object_store.h"

namespace millrace::storage::remote {

inline std::string random_bytes(Random& random, std::size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.next() >> 56U);
    return bytes;
}

inline Result<> put_text(ObjectStore& store, std::string_view key, std::string_view text) {
    MemorySource source(Slice::copy(text));
    return store.put(key, source);
}

// The whole object, or the error as text.
inline std::string text_of(ObjectStore& store, std::string_view key) {
    Result<Buffer> got = store.get(key, 0, 1ULL << 40U);
    return got ? std::string(got->view()) : "error: " + got.error().message;
}

// What every store promises; `store` is empty before and after.
inline void expect_keeps_promises(ObjectStore& store, std::uint64_t seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    ASSERT_EQ(store.list(""), std::vector<std::string>());

    std::string bytes = random_bytes(random, 300'000);
    ASSERT_TRUE(put_text(store, "t/id/0/a.log", bytes));
    EXPECT_EQ(text_of(store, "t/id/0/a.log"), bytes);
    for (int i = 0; i < 50; ++i) {
        std::uint64_t offset = random.below(bytes.size());
        std::uint64_t size = random.below(bytes.size());
        Result<Buffer> got = store.get("t/id/0/a.log", offset, size);
        ASSERT_TRUE(got) << got.error().message;
        EXPECT_EQ(got->view(), std::string_view(bytes).substr(offset, size)) << offset;
    }
    for (std::uint64_t offset : {bytes.size(), bytes.size() + 1, bytes.size() * 9}) {
        Result<Buffer> got = store.get("t/id/0/a.log", offset, 10);
        ASSERT_TRUE(got) << got.error().message;
        EXPECT_TRUE(got->empty());
    }

    ASSERT_TRUE(put_text(store, "t/id/0/a.log", "shorter"));
    EXPECT_EQ(text_of(store, "t/id/0/a.log"), "shorter");
    ASSERT_TRUE(put_text(store, "t/id/0/a.indexes", ""));
    EXPECT_EQ(text_of(store, "t/id/0/a.indexes"), "");

    for (std::string_view missing : {"t/id/0/b", "t/id/0/a.log/c", "u"}) {
        Result<Buffer> got = store.get(missing, 0, 10);
        ASSERT_FALSE(got) << missing;
        EXPECT_EQ(got.error().code, ErrorCode::resource_not_found) << got.error().message;
        EXPECT_TRUE(got.error().message.contains(missing)) << got.error().message;
        EXPECT_TRUE(store.remove(missing)) << missing;
    }
    for (std::string_view none : {"", "/t", "t/../t", "a b"}) {
        EXPECT_EQ(put_text(store, none, "x").error().code, ErrorCode::invalid_request) << none;
        EXPECT_EQ(store.get(none, 0, 1).error().code, ErrorCode::invalid_request) << none;
        EXPECT_EQ(store.remove(none).error().code, ErrorCode::invalid_request) << none;
    }

    std::vector<std::string> all{"t/id/0/a.indexes", "t/id/0/a.log", "t/id/1/a.log",
                                 "t/id-2/0/x",       "t2/id/0/x",    "u/id/0/x"};
    for (const std::string& key : all) {
        if (!key.starts_with("t/id/0/")) ASSERT_TRUE(put_text(store, key, key));
    }
    std::ranges::sort(all);
    for (std::string_view prefix :
         {"", "t", "t/", "t/id", "t/id/", "t/id/0/", "t/id/0/a.", "t/id/0/a.log", "u/", "v/"}) {
        std::vector<std::string> wanted;
        for (const std::string& key : all) {
            if (key.starts_with(prefix)) wanted.push_back(key);
        }
        EXPECT_EQ(store.list(prefix), wanted) << prefix;
    }
    for (const std::string& key : all) EXPECT_TRUE(store.remove(key)) << key;
    EXPECT_EQ(store.list(""), std::vector<std::string>());
}

}  // namespace millrace::storage::remote
