#include "cli/replica_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "records/builder.h"

namespace millrace::cli {
namespace {

using testing::ElementsAre;

std::string batch(std::int64_t offset, std::string_view value, int records = 1) {
    BatchBuilder builder({.base_offset = offset});
    for (int i = 0; i < records; ++i) builder.append(1000, std::nullopt, as_bytes(value));
    return std::string(builder.build().view());
}

ReplicaAnswer answer(std::int32_t broker, std::int64_t high_watermark, const std::string& bytes) {
    return {broker, high_watermark, Slice::copy(bytes)};
}

ReplicaCheck check(std::int64_t from, std::vector<ReplicaAnswer> answers) {
    auto checked = check_replicas({"t", 0}, from, answers);
    EXPECT_TRUE(checked) << (checked ? "" : checked.error().message);
    return checked ? *checked : ReplicaCheck{};
}

TEST(CheckReplicas, GoesAsFarAsAllOfThemHave) {
    std::string two = batch(5, "a") + batch(6, "b", 3);
    EXPECT_EQ(check(5, {answer(1, 9, two), answer(2, 9, two)}).next_offset, 9);
    EXPECT_EQ(check(5, {answer(1, 9, two), answer(2, 9, batch(5, "a"))}).next_offset, 6);
    EXPECT_EQ(check(5, {answer(1, 9, two), answer(2, 8, two)}).next_offset, 6)
        << "not above a high watermark";
    EXPECT_EQ(check(5, {answer(1, 9, two), answer(2, 9, "")}).next_offset, 5);
    std::string cut = two.substr(0, two.size() - 1);
    EXPECT_EQ(check(5, {answer(1, 9, two), answer(2, 9, cut)}).next_offset, 6);
    EXPECT_EQ(check(5, {}).next_offset, 5);
}

TEST(CheckReplicas, TellsOtherChecksumsAndGoesOn) {
    ReplicaCheck found = check(0, {answer(1, 9, batch(0, "a") + batch(1, "b")),
                                   answer(2, 9, batch(0, "x") + batch(1, "b"))});
    EXPECT_EQ(found.next_offset, 2);
    EXPECT_THAT(found.mismatches,
                ElementsAre(testing::MatchesRegex(
                    "partition t-0 has unmatched checksum at offset 0; replica 1's checksum "
                    "[0-9]+; replica 2's checksum [0-9]+")));
    EXPECT_FALSE(found.parted);
}

TEST(CheckReplicas, EndsWhereOffsetsPart) {
    ReplicaCheck found =
        check(0, {answer(1, 9, batch(0, "a", 2)), answer(3, 9, batch(0, "a") + batch(1, "a"))});
    EXPECT_EQ(found.parted,
              "partition t-0: replica 1's offset 1 doesn't match replica 3's offset 0");
    EXPECT_EQ(found.next_offset, 0);
}

TEST(CheckReplicas, RefusesWhatIsNoBatch) {
    std::string garbage(100, '\x01');
    std::vector<ReplicaAnswer> answers{answer(1, 9, garbage)};
    EXPECT_FALSE(check_replicas({"t", 0}, 0, answers));
}

}  // namespace
}  // namespace millrace::cli
