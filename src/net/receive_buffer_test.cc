#include "net/receive_buffer.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

#include "base/random.h"

namespace millrace::net {
namespace {

// A read that brings `bytes`, or as many of them as there is room for; returns how many.
std::size_t read(ReceiveBuffer& buffer, Bytes bytes) {
    std::size_t count = std::min(buffer.size(), bytes.size());
    std::ranges::copy(bytes.first(count), buffer.take().begin());
    buffer.received(count);
    return count;
}

// The first `received` bytes of a frame that is `size` long.
std::vector<std::uint8_t> beginning(std::size_t size, std::size_t received) {
    std::vector<std::uint8_t> bytes(received);
    store_be(bytes.data(), static_cast<std::uint32_t>(size - 4));
    return bytes;
}

TEST(ReceiveBuffer, HasMoreRoomWhileReadsComeFullAndLessWhileTheyDoNot) {
    ReceiveBuffer buffer;
    std::size_t first = buffer.size();
    std::vector<std::uint8_t> much(1 << 20);
    for (int i = 0; i < 10; ++i) {
        read(buffer, much);
        buffer.freeze();
    }
    EXPECT_EQ(buffer.size(), 256u << 10);
    for (int i = 0; i < 20; ++i) {
        read(buffer, Bytes(much).first(1));
        buffer.freeze();
    }
    EXPECT_EQ(buffer.size(), first);
}

TEST(ReceiveBuffer, AFrameThatHasBegunGetsItsRoomUpToAMegabyte) {
    struct {
        std::size_t frame, received, room;
    } cases[] = {{264'000, 1024, 264'000 - 1024},
                 {100'000'000, 1024, (1 << 20) - 1024},
                 {100'000'000, 3 << 20, 3 << 20}};
    for (const auto& each : cases) {
        ReceiveBuffer buffer;
        std::vector<std::uint8_t> bytes = beginning(each.frame, each.received);
        buffer.keep(bytes);
        EXPECT_EQ(buffer.size(), each.room);
        read(buffer, std::vector<std::uint8_t>(each.room, 7));
        bytes.resize(each.received + each.room, 7);
        EXPECT_TRUE(std::ranges::equal(buffer.bytes(), bytes));
    }
}

// What is received into one piece of the right size need not be moved to a larger one.
TEST(ReceiveBuffer, LargeFramesAreExpectedToBeFollowedByOthers) {
    ReceiveBuffer buffer;
    std::size_t usual = buffer.size();
    buffer.note_frame(264'000);
    EXPECT_EQ(buffer.size(), 3 * 264'000u);
    buffer.note_frame(1'000'000);
    EXPECT_EQ(buffer.size(), 1'000'000u);
    buffer.note_frame(100);  // many of these would keep a large piece each
    EXPECT_EQ(buffer.size(), usual);
    buffer.note_frame(10'000'000);
    EXPECT_EQ(buffer.size(), usual);
}

TEST(ReceiveBuffer, WhatIsGivenBackIsAsIfNotTaken) {
    ReceiveBuffer buffer;
    buffer.take();
    buffer.give_back();
    EXPECT_TRUE(buffer.bytes().empty());
    std::vector<std::uint8_t> bytes = beginning(5000, 10);
    buffer.keep(bytes);
    buffer.take();
    buffer.give_back();
    EXPECT_TRUE(std::ranges::equal(buffer.bytes(), bytes));
    EXPECT_EQ(buffer.size(), 5000u - 10);
}

// Frames of any size, cut off as they come.
TEST(ReceiveBuffer, FramesComeOutAsTheyWentIn) {
    Random random(1);
    std::vector<std::uint8_t> sent;
    for (int i = 0; i < 300; ++i) {
        std::size_t size = 4 + random.below(i % 10 == 0 ? 700'000 : 3'000);
        std::vector<std::uint8_t> frame = beginning(size, size);
        for (std::size_t at = 4; at < size; at += 64) {
            frame[at] = static_cast<std::uint8_t>(random.below(256));
        }
        sent.insert(sent.end(), frame.begin(), frame.end());
    }
    ReceiveBuffer buffer;
    std::vector<std::uint8_t> got;
    for (std::size_t at = 0; at < sent.size();) {
        std::size_t arrived = std::min(sent.size() - at, 1 + random.below(300'000));
        for (Bytes rest = Bytes(sent).subspan(at, arrived); !rest.empty();) {
            rest = rest.subspan(read(buffer, rest));
            Slice all = buffer.freeze();
            Bytes left = all.bytes();
            while (left.size() >= 4 && left.size() >= 4 + load_be<std::uint32_t>(left.data())) {
                std::size_t size = 4 + load_be<std::uint32_t>(left.data());
                got.insert(got.end(), left.begin(), left.begin() + static_cast<long>(size));
                buffer.note_frame(size);
                left = left.subspan(size);
            }
            buffer.keep(left);
        }
        at += arrived;
    }
    EXPECT_TRUE(got == sent);
}

}  // namespace
}  // namespace millrace::net
