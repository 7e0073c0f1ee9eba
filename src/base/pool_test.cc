#include "base/pool.h"

#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>
#include <vector>

namespace millrace {
namespace {

TEST(Pool, GivesRoomForWhatIsAskedAndLittleMore) {
    for (std::size_t size = 1; size < (std::size_t{3} << 20); size += 1 + size / 50) {
        std::size_t room = pooled_size(size);
        ASSERT_GE(room, size);
        ASSERT_LT(room, size + 64 + size / 4) << size;
        ASSERT_EQ(pooled_size(room), room) << size;
    }
}

TEST(Pool, WritesToItsMemoryStayInIt) {
    std::vector<std::uint8_t*> taken;
    std::vector<std::size_t> sizes;
    for (int round = 0; round < 3; ++round) {
        for (std::size_t size : {1, 64, 65, 4096, 4097, 5000, 70'000, 1 << 20, (1 << 20) + 1}) {
            sizes.push_back(size);
            taken.push_back(static_cast<std::uint8_t*>(take_pooled(size)));
            std::memset(taken.back(), static_cast<int>(taken.size()), pooled_size(size));
        }
        for (std::size_t i = 0; i < taken.size(); ++i) {
            ASSERT_EQ(taken[i][0], i + 1);
            ASSERT_EQ(taken[i][pooled_size(sizes[i]) - 1], i + 1);
            give_pooled(taken[i], sizes[i]);
        }
        taken.clear();
        sizes.clear();
    }
}

TEST(Pool, GrowingKeepsWhatIsUsed) {
    std::size_t room = 10;
    auto* memory = static_cast<std::uint8_t*>(take_pooled(room));
    memory[0] = 1;
    std::size_t used = 1;
    while (room < (std::size_t{5} << 20)) {
        std::size_t more = room * 2;
        memory = static_cast<std::uint8_t*>(grow_pooled(memory, used, room, more));
        for (std::size_t i = 0; i < used; ++i) ASSERT_EQ(memory[i], 1);
        std::memset(memory, 1, more);
        room = used = more;
    }
    give_pooled(memory, room);
}

// A sanitizer sees each of them apart.
#if !__has_feature(address_sanitizer)
TEST(Pool, TheLastThatWasGivenBackIsTheNext) {
    for (std::size_t size : {100, 5000, 300'000}) {
        void* first = take_pooled(size);
        void* second = take_pooled(size);
        give_pooled(first, size);
        give_pooled(second, pooled_size(size));
        EXPECT_EQ(take_pooled(size), second);
        EXPECT_EQ(take_pooled(size), first);
        give_pooled(first, size);
        give_pooled(second, size);
    }
}
#endif

}  // namespace
}  // namespace millrace
