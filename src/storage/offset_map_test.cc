#include "storage/offset_map.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <map>
#include <string>

#include "base/random.h"

namespace millrace::storage {
namespace {

constexpr Hash128 seed{0x1234, 0x5678};

Hash128 hash_of(const OffsetMap& map, std::uint64_t key) {
    return map.hash(as_bytes(fmt::format("key-{}", key)));
}

TEST(OffsetMap, KeepsTheLastOffsetOfEachKey) {
    OffsetMap map(4096, 0.9, seed);
    EXPECT_FALSE(map.find(map.hash(as_bytes("a"))));
    EXPECT_TRUE(map.put(map.hash(as_bytes("a")), 0));
    EXPECT_TRUE(map.put(map.hash(as_bytes("b")), 1));
    EXPECT_TRUE(map.put(map.hash(as_bytes("a")), 2));
    EXPECT_TRUE(map.put(map.hash(Bytes()), 3));
    EXPECT_EQ(map.find(map.hash(as_bytes("a"))), 2);
    EXPECT_EQ(map.find(map.hash(as_bytes("b"))), 1);
    EXPECT_EQ(map.find(map.hash(Bytes())), 3);
    EXPECT_FALSE(map.find(map.hash(as_bytes("c"))));
    EXPECT_EQ(map.size(), 3U);
}

TEST(OffsetMap, IsBoundedByItsMemoryAndLoadFactor) {
    OffsetMap map(24 * 100, 0.75, seed);
    EXPECT_EQ(map.slots(), 100U);
    EXPECT_EQ(map.capacity(), 75U);
    for (std::uint64_t key = 0; key < 75; ++key) {
        EXPECT_TRUE(map.put(hash_of(map, key), static_cast<Offset>(key)));
    }
    EXPECT_FALSE(map.put(hash_of(map, 75), 75));
    EXPECT_EQ(map.size(), 75U);
    EXPECT_FALSE(map.find(hash_of(map, 75)));
    // A key that is there already needs no room.
    EXPECT_TRUE(map.put(hash_of(map, 7), 76));
    EXPECT_EQ(map.find(hash_of(map, 7)), 76);
}

TEST(OffsetMap, HoldsAtLeastTwoKeysAndNeverFillsUp) {
    OffsetMap tiny(0, 0.1, seed);
    EXPECT_TRUE(tiny.put(hash_of(tiny, 1), 1));
    EXPECT_TRUE(tiny.put(hash_of(tiny, 2), 2));
    EXPECT_FALSE(tiny.put(hash_of(tiny, 3), 3));
    OffsetMap full(24 * 10, 5.0, seed);
    for (std::uint64_t key = 0; key < 9; ++key) {
        EXPECT_TRUE(full.put(hash_of(full, key), static_cast<Offset>(key)));
    }
    EXPECT_FALSE(full.put(hash_of(full, 9), 9));
    EXPECT_FALSE(full.find(hash_of(full, 9)));  // ends though nearly every slot is taken
}

TEST(OffsetMap, AgreesWithAnOrdinaryMap) {
    for (std::uint64_t trial = 1; trial <= 30; ++trial) {
        Random random(trial);
        std::size_t slots = 4 + random.below(2000);
        OffsetMap map(24 * slots, random.unit(), {random.next(), random.next()});
        std::map<std::uint64_t, Offset> model;
        std::uint64_t keys = 1 + random.below(3 * slots);
        for (Offset offset = 0; offset < static_cast<Offset>(4 * slots); ++offset) {
            std::uint64_t key = random.below(keys);
            bool room = model.contains(key) || model.size() < map.capacity();
            ASSERT_EQ(map.put(hash_of(map, key), offset), room) << "seed " << trial;
            if (room) model[key] = offset;
        }
        ASSERT_EQ(map.size(), model.size()) << "seed " << trial;
        for (std::uint64_t key = 0; key < keys; ++key) {
            auto found = map.find(hash_of(map, key));
            auto expected = model.find(key);
            ASSERT_EQ(found.has_value(), expected != model.end()) << "seed " << trial;
            if (found) ASSERT_EQ(*found, expected->second) << "seed " << trial;
        }
    }
}

}  // namespace
}  // namespace millrace::storage
