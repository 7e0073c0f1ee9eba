#include "core/controller/state.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <utility>
#include <variant>

#include "base/check.h"
#include "core/metadata/changes.h"
#include "core/metadata/topic_names.h"

namespace millrace::controller {

State::State(Settings settings)
    : settings_(std::move(settings)),
      config_(settings_.config),
      image_(std::make_shared<const metadata::Image>()) {}

Result<> State::apply(std::span<const metadata::VersionedRecord> records, std::int64_t first_offset,
                      std::int32_t epoch) {
    CHECK(first_offset >= next_offset_);
    std::int64_t offset = first_offset;
    for (const metadata::VersionedRecord& record : records) {
        RETURN_IF_ERROR(replay_.apply(record, offset, epoch));
        if (const auto* broker = std::get_if<RegisterBrokerRecord>(&record.message))
            registration_offsets_[broker->broker_id] = offset;
        ++offset;
    }
    next_offset_ = offset;
    metadata::ImagePtr before = std::exchange(image_, replay_.image());
    note(metadata::diff(*before, *image_));
    return {};
}

void State::skip_to(std::int64_t next_offset) {
    CHECK(next_offset >= next_offset_);
    next_offset_ = next_offset;
}

void State::load(metadata::ImagePtr image) {
    partitions_ = {};
    registration_offsets_.clear();
    directory_owners_.clear();
    collisions_.clear();
    image_ = std::move(image);
    replay_ = metadata::Replay(image_);
    next_offset_ = image_->offset + 1;
    for (const auto& [id, broker] : image_->brokers) registration_offsets_[id] = image_->offset;
    note(metadata::diff(metadata::Image{}, *image_));
    refresh_config();
}

void State::note(const metadata::Changes& changes) {
    partitions_.update(changes);
    for (const metadata::TopicChange& change : changes.topics) {
        const std::string& name = change.topic().name;
        if (!metadata::has_collision_characters(name)) continue;
        std::string unified = metadata::without_dots(name);
        if (change.created()) {
            collisions_[unified].insert(name);
        } else if (change.deleted()) {
            auto at = collisions_.find(unified);
            at->second.erase(name);
            if (at->second.empty()) collisions_.erase(at);
        }
    }
    // A directory may move from one broker to another within these changes.
    for (const metadata::BrokerChange& change : changes.brokers) {
        if (change.before == nullptr) continue;
        for (const Uuid& id : change.before->directories) directory_owners_.erase(id);
    }
    for (const metadata::BrokerChange& change : changes.brokers) note_broker(change);

    auto of_brokers = [](const metadata::ConfigResource& resource) {
        return resource.type == config::ResourceType::broker;
    };
    if (std::ranges::any_of(changes.configs, of_brokers)) refresh_config();
}

void State::note_broker(const metadata::BrokerChange& change) {
    if (change.after == nullptr) {
        registration_offsets_.erase(change.id);
        return;
    }
    for (const Uuid& id : change.after->directories) directory_owners_[id] = change.id;
}

void State::refresh_config() {
    std::vector<std::string> rejected;  // other brokers' keys may mean nothing here
    config_ = settings_.config.with_dynamic(
        image_->configs_of(config::ResourceType::broker, ""),
        image_->configs_of(config::ResourceType::broker, std::to_string(settings_.node_id)),
        rejected);
}

metadata::MetadataVersion State::metadata_version() const {
    CHECK(image_->features.metadata_version.has_value());
    return *image_->features.metadata_version;
}

bool State::is_active(std::int32_t id) const {
    const metadata::Broker* registered = broker(id);
    return registered != nullptr && registered->is_active();
}

Result<> State::check_broker_epoch(std::int32_t id, std::int64_t epoch) const {
    const metadata::Broker* registered = broker(id);
    if (registered == nullptr) {
        return fail(ErrorCode::stale_broker_epoch,
                    fmt::format("No broker registration found for broker id {}", id));
    }
    if (registered->epoch != epoch) {
        return fail(ErrorCode::stale_broker_epoch,
                    fmt::format("Expected broker epoch {}, but got broker epoch {}",
                                registered->epoch, epoch));
    }
    return {};
}

std::int64_t State::registration_offset(std::int32_t id) const {
    auto at = registration_offsets_.find(id);
    CHECK(at != registration_offsets_.end());
    return at->second;
}

Uuid State::default_directory(std::int32_t id) const {
    if (!metadata_version().supports_directories()) return metadata::migrating_directory;
    const metadata::Broker* registered = broker(id);
    return registered == nullptr ? metadata::unassigned_directory : registered->default_directory();
}

std::optional<std::int32_t> State::owner_of(const Uuid& directory) const {
    auto at = directory_owners_.find(directory);
    if (at == directory_owners_.end()) return std::nullopt;
    return at->second;
}

std::string_view State::colliding_topic(std::string_view name) const {
    if (!metadata::has_collision_characters(name)) return {};
    auto at = collisions_.find(metadata::without_dots(name));
    return at == collisions_.end() ? std::string_view{} : *at->second.begin();
}

std::int32_t State::min_insync_replicas(const metadata::Topic& topic) const {
    const metadata::Partition* first = topic.partition(0);
    CHECK(first != nullptr);
    auto replicas = static_cast<std::int32_t>(first->replicas.size());
    std::int32_t wanted = config_.min_insync_replicas();
    const config::ConfigMap& own = image_->topic_configs(topic.name);
    if (auto at = own.find("min.insync.replicas"); at != own.end())
        std::from_chars(at->second.data(), at->second.data() + at->second.size(), wanted);
    return std::min(wanted, replicas);
}

bool State::elects_unclean_leaders(std::string_view topic) const {
    const config::ConfigMap& own = image_->topic_configs(topic);
    auto at = own.find("unclean.leader.election.enable");
    if (at == own.end()) return config_.unclean_leader_election_enable();
    return at->second == "true";
}

bool State::operator==(const State& other) const {
    return image_->same_content(*other.image_) && next_offset_ == other.next_offset_ &&
           transaction_start() == other.transaction_start() && partitions_ == other.partitions_ &&
           registration_offsets_ == other.registration_offsets_ &&
           directory_owners_ == other.directory_owners_ && collisions_ == other.collisions_;
}

}  // namespace millrace::controller
