#include "core/metadata/sorted_map.h"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "core/metadata/sorted_map_editor.h"

namespace millrace::metadata {
namespace {

using Map = SortedMap<std::int64_t, std::string>;
using Editor = SortedMapEditor<std::int64_t, std::string>;
using Model = std::map<std::int64_t, std::string>;

Model content(const Map& map) {
    Model model;
    for (const auto& [key, value] : map) EXPECT_TRUE(model.emplace(key, *value).second);
    return model;
}

void expect_same(const Map& map, const Model& model) {
    ASSERT_EQ(map.size(), model.size());
    auto expected = model.begin();
    for (const auto& [key, value] : map) {
        ASSERT_EQ(key, expected->first);
        ASSERT_EQ(*value, expected->second);
        ++expected;
    }
}

TEST(SortedMap, BehavesAsAMapAndLeavesEarlierVersionsAlone) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Random random(seed);
        std::int64_t keys = random.between(1, 2'000);
        Map map;
        Model model;
        std::vector<std::pair<Map, Model>> versions;
        for (int version = 0; version < 30; ++version) {
            Editor editor(map);
            std::int64_t edits = random.between(0, 200);
            double erasing = random.unit();
            for (std::int64_t i = 0; i < edits; ++i) {
                std::int64_t key = random.between(0, keys);
                if (random.chance(erasing)) {
                    ASSERT_EQ(editor.erase(key), model.erase(key) == 1);
                } else {
                    std::string value = std::to_string(random.next());
                    editor.set(key, std::make_shared<const std::string>(value));
                    model[key] = value;
                }
                std::int64_t asked = random.between(0, keys);
                const std::string* found = editor.find(asked);
                ASSERT_EQ(found != nullptr, model.contains(asked));
                if (found != nullptr) ASSERT_EQ(*found, model[asked]);
                ASSERT_EQ(editor.size(), model.size());
            }
            Model visited;
            editor.for_each(
                [&](std::int64_t key, const std::string& value) { visited.emplace(key, value); });
            ASSERT_EQ(visited, model);
            map = std::move(editor).finish();
            expect_same(map, model);
            versions.emplace_back(map, model);
        }
        for (const auto& [old, expected] : versions) expect_same(old, expected);
    }
}

TEST(SortedMap, FindsBoundsAndEntries) {
    Editor editor{Map()};
    for (std::int64_t key = 0; key < 1'000; key += 2)
        editor.set(key, std::make_shared<const std::string>(std::to_string(key)));
    Map map = std::move(editor).finish();
    EXPECT_EQ(map.find(std::int64_t{7}), nullptr);
    EXPECT_EQ(*map.find(std::int64_t{8}), "8");
    EXPECT_EQ(map.lower_bound(std::int64_t{7})->key, 8);
    EXPECT_EQ(map.lower_bound(std::int64_t{998})->key, 998);
    EXPECT_TRUE(map.lower_bound(std::int64_t{999}) == map.end());
    EXPECT_TRUE(Map().begin() == Map().end());
    EXPECT_EQ(Map().find(std::int64_t{0}), nullptr);
}

TEST(SortedMap, VersionsShareTheirChunks) {
    Editor fill{Map()};
    for (std::int64_t key = 0; key < 10'000; ++key)
        fill.set(key, std::make_shared<const std::string>("x"));
    Map before = std::move(fill).finish();
    Editor change(before);
    change.set(5'000, std::make_shared<const std::string>("y"));
    Map after = std::move(change).finish();
    EXPECT_FALSE(before == after);

    std::size_t chunks = 0;
    std::size_t shared = 0;
    auto old = before.begin();
    for (auto now = after.begin(); now != after.end();) {
        ++chunks;
        shared += old.whole_chunk() == now.whole_chunk() ? 1 : 0;
        old.skip_chunk();
        now.skip_chunk();
    }
    EXPECT_EQ(shared + 1, chunks);
    // Keys that come in order fill their chunks.
    EXPECT_EQ(chunks, (10'000 + 63) / 64);
    EXPECT_EQ(content(before).size(), 10'000U);
}

}  // namespace
}  // namespace millrace::metadata
