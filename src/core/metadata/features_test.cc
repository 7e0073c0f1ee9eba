#include "core/metadata/features.h"

#include <gtest/gtest.h>

#include "core/metadata/bootstrap.h"

namespace millrace::metadata {
namespace {

std::int16_t level_of(std::string_view release) {
    Result<MetadataVersion> version = MetadataVersion::of_release(release);
    return version ? version->level() : std::int16_t{-1};
}

TEST(Features, ReleasesNameTheirNewestLevel) {
    EXPECT_EQ(level_of("3.3"), 7);
    EXPECT_EQ(level_of("3.7"), 19);
    EXPECT_EQ(level_of("3.7-IV2"), 17);
    EXPECT_EQ(level_of("4.0.1"), 25);
    EXPECT_EQ(level_of("4.3.1"), 30);
    EXPECT_EQ(level_of("4.4"), -1);
    EXPECT_EQ(MetadataVersion::of_release("4.4", true)->level(), 31);
    EXPECT_EQ(level_of("2.8"), -1);
    EXPECT_EQ(MetadataVersion::latest().release(), "4.3-IV0");
    EXPECT_EQ(MetadataVersion::minimum().level(), 7);
    EXPECT_FALSE(MetadataVersion::of_level(6).has_value());
    EXPECT_FALSE(MetadataVersion::of_level(32).has_value());
}

TEST(Features, RecordVersionsFollowTheMetadataVersion) {
    auto at = [](std::int16_t level) { return *MetadataVersion::of_level(level); };
    EXPECT_EQ(at(7).register_broker_record(), 1);
    EXPECT_EQ(at(8).register_broker_record(), 2);
    EXPECT_EQ(at(17).register_broker_record(), 3);
    EXPECT_EQ(at(30).register_broker_record(), 4);
    EXPECT_EQ(at(16).partition_record(), 0);
    EXPECT_EQ(at(17).partition_record(), 1);
    EXPECT_EQ(at(23).partition_record(), 2);
    EXPECT_EQ(at(30).fetch_request(), 18);
    EXPECT_EQ(at(7).list_offsets_request(), 7);
}

TEST(Features, DowngradesLoseMetadataOnlyAcrossALevelThatChangedIt) {
    auto at = [](std::int16_t level) { return *MetadataVersion::of_level(level); };
    EXPECT_FALSE(metadata_differs(at(29), at(24)));
    EXPECT_TRUE(metadata_differs(at(30), at(29)));
    EXPECT_TRUE(metadata_differs(at(22), at(23)));
    EXPECT_FALSE(metadata_differs(at(23), at(23)));
}

TEST(Features, SupportedOnesAreThoseThatApacheAdvertises) {
    SupportedFeatures supported = supported_features();
    EXPECT_EQ(supported.at("metadata.version"), (VersionRange{7, 30}));
    EXPECT_EQ(supported.at("kraft.version"), (VersionRange{0, 1}));
    EXPECT_EQ(supported.at("transaction.version"), (VersionRange{0, 2}));
    EXPECT_EQ(supported.at("group.version"), (VersionRange{0, 1}));
    EXPECT_EQ(supported.at("share.version"), (VersionRange{0, 1}));
    EXPECT_EQ(supported.at("streams.version"), (VersionRange{0, 1}));
    EXPECT_EQ(supported.at("eligible.leader.replicas.version"), (VersionRange{0, 1}));
    EXPECT_EQ(supported.size(), 7U);
    EXPECT_EQ(supported_features(true).at("metadata.version").max, 31);
}

TEST(Format, DefaultsAreThoseOfTheRelease) {
    FeatureLevels latest = *format_levels({.dynamic_quorum = true});
    EXPECT_EQ(latest, (FeatureLevels{{"metadata.version", 30},
                                     {"kraft.version", 1},
                                     {"transaction.version", 2},
                                     {"group.version", 1},
                                     {"share.version", 1},
                                     {"streams.version", 1},
                                     {"eligible.leader.replicas.version", 1}}));
    FeatureLevels old = *format_levels({.release = *MetadataVersion::of_release("3.9")});
    EXPECT_EQ(old, (FeatureLevels{{"metadata.version", 21},
                                  {"kraft.version", 0},
                                  {"transaction.version", 0},
                                  {"group.version", 0},
                                  {"share.version", 0},
                                  {"streams.version", 0},
                                  {"eligible.leader.replicas.version", 0}}));
}

TEST(Format, RefusesWhatDoesNotFit) {
    auto message = [](const FormatOptions& options) {
        Result<FeatureLevels> levels = format_levels(options);
        return levels ? std::string("fine") : levels.error().message;
    };
    EXPECT_EQ(
        message({.release = MetadataVersion::latest(), .features = {{"metadata.version", 30}}}),
        "Use --release-version instead of --feature metadata.version=X to avoid ambiguity.");
    EXPECT_EQ(message({.features = {{"metadata.version", 31}}}),
              "metadata.version 4.4-IV0 is not yet stable.");
    EXPECT_EQ(message({.features = {{"metadata.version", 31}}, .unstable = true}), "fine");
    EXPECT_EQ(message({.features = {{"group.version", 2}}}),
              "No feature:group.version with feature level 2");
    EXPECT_EQ(
        message({.features = {{"metadata.version", 22}, {"eligible.leader.replicas.version", 1}}}),
        "eligible.leader.replicas.version could not be set to 1 because it depends on "
        "metadata.version level 23");
    EXPECT_NE(message({.features = {{"nonsense", 1}}}).find("Unsupported feature: nonsense"),
              std::string::npos);
    EXPECT_NE(message({.features = {{"kraft.version", 1}}}), "fine");
    EXPECT_NE(message({.features = {{"kraft.version", 0}}, .dynamic_quorum = true}), "fine");
}

TEST(Format, BootstrapRecordsHoldWhatIsOn) {
    Records records = bootstrap_records(*format_levels({.features = {{"share.version", 0}}}));
    std::vector<std::string> names;
    for (const VersionedRecord& record : records)
        names.push_back(std::get<FeatureLevelRecord>(record.message).name);
    EXPECT_EQ(names, (std::vector<std::string>{"metadata.version",
                                               "eligible.leader.replicas.version", "group.version",
                                               "streams.version", "transaction.version"}));
    EXPECT_EQ(bootstrap_version(records)->level(), 30);
    EXPECT_EQ(bootstrap_version({}).error().code, ErrorCode::invalid_record);
}

}  // namespace
}  // namespace millrace::metadata
