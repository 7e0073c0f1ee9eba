#include "cli/feature_table.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/core.h>
#include <limits>
#include <vector>

#include "cli/arguments.h"
#include "cli/output.h"
#include "config/text.h"
#include "core/metadata/features.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

// Kafka's order of features.
constexpr std::string_view shown_first[] = {
    "kraft.version", "transaction.version", "group.version", "eligible.leader.replicas.version",
    "share.version", "streams.version",
};

std::vector<const metadata::Feature*> ordered_features() {
    std::vector<const metadata::Feature*> features;
    for (std::string_view name : shown_first) {
        if (const auto* feature = metadata::find_feature(name)) features.push_back(feature);
    }
    for (const metadata::Feature& feature : metadata::all_features()) {
        bool known = feature.name == metadata::metadata_version_feature ||
                     std::ranges::find(shown_first, feature.name) != std::end(shown_first);
        if (!known) features.push_back(&feature);
    }
    return features;
}

}  // namespace

Result<FeatureAndLevel> parse_feature(std::string_view text) {
    std::size_t at = text.find('=');
    if (at == std::string_view::npos) {
        return misuse(
            fmt::format("Can't parse feature=level string {}: equals sign not found.", text));
    }
    auto level = parse_number(config::trim(text.substr(at + 1)));
    if (!level || *level < std::numeric_limits<std::int16_t>::min() ||
        *level > std::numeric_limits<std::int16_t>::max()) {
        return misuse(
            fmt::format("Can't parse feature=level string {}: unable to parse {} as a "
                        "short.",
                        text, config::trim(text.substr(at + 1))));
    }
    return FeatureAndLevel{std::string(config::trim(text.substr(0, at))),
                           static_cast<std::int16_t>(*level)};
}

Result<> print_version_mapping(const Arguments& arguments, Output& output) {
    auto version = metadata::MetadataVersion::latest();
    std::string name(version.release());
    if (arguments.has("release-version")) {
        name = arguments.text("release-version");
        ASSIGN_OR_RETURN(version, metadata::MetadataVersion::of_release(name, true));
    }
    json::object levels{{metadata::metadata_version_feature, version.level()}};
    if (!arguments.as_json()) output.line("metadata.version={} ({})", version.level(), name);
    for (const metadata::Feature* feature : ordered_features()) {
        std::int16_t level = metadata::default_level(*feature, version);
        levels[feature->name] = level;
        if (!arguments.as_json()) output.line("{}={}", feature->name, level);
    }
    if (arguments.as_json()) {
        output.json(json::object{{"release", name}, {"levels", std::move(levels)}});
    }
    return {};
}

Result<> print_feature_dependencies(const Arguments& arguments, Output& output) {
    json::array documents;
    for (const std::string& text : arguments.all("feature")) {
        ASSIGN_OR_RETURN(FeatureAndLevel wanted, parse_feature(text));
        const metadata::Feature* feature = metadata::find_feature(wanted.name);
        if (feature == nullptr) return misuse(fmt::format("Unknown feature: {}", wanted.name));
        const metadata::FeatureLevel* level = feature->find(wanted.level);
        if (level == nullptr) {
            if (wanted.name == metadata::metadata_version_feature) {
                return misuse(fmt::format("Unknown metadata.version {}", wanted.level));
            }
            return misuse(
                fmt::format("No feature:{} with feature level {}", wanted.name, wanted.level));
        }
        bool needs = !level->needs.empty() && level->needs_level > 0;
        if (arguments.as_json()) {
            json::object needed;
            if (needs) needed[level->needs] = level->needs_level;
            documents.push_back(json::object{
                {"feature", wanted.name}, {"level", wanted.level}, {"needs", std::move(needed)}});
            continue;
        }
        if (wanted.name == metadata::metadata_version_feature) {
            output.line("{}={} ({}) has no dependencies.", wanted.name, wanted.level,
                        level->release);
        } else if (!needs) {
            output.line("{}={} has no dependencies.", wanted.name, wanted.level);
        } else {
            output.line("{}={} requires:", wanted.name, wanted.level);
            auto version = metadata::MetadataVersion::of_level(level->needs_level);
            if (level->needs == metadata::metadata_version_feature && version) {
                output.line("    {}={} ({})", level->needs, level->needs_level, version->release());
            } else {
                output.line("    {}={}", level->needs, level->needs_level);
            }
        }
    }
    if (arguments.as_json()) output.json(json::object{{"features", std::move(documents)}});
    return {};
}

}  // namespace millrace::cli
