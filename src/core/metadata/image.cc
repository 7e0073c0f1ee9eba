#include "core/metadata/image.h"

namespace millrace::metadata {

std::int16_t Features::level_of(std::string_view feature) const {
    if (feature == metadata_version_feature)
        return metadata_version ? metadata_version->level() : std::int16_t{0};
    auto at = levels.find(feature);
    return at == levels.end() ? std::int16_t{0} : at->second;
}

bool Image::same_content(const Image& other) const {
    return features == other.features && brokers == other.brokers &&
           controllers == other.controllers && topics == other.topics && configs == other.configs &&
           quotas == other.quotas && next_producer_id == other.next_producer_id &&
           acls == other.acls && scram == other.scram && tokens == other.tokens;
}

const config::ConfigMap& Image::configs_of(config::ResourceType type, std::string_view name) const {
    static const config::ConfigMap none;
    const config::ConfigMap* found = configs.find(ConfigResourceView{type, name});
    return found == nullptr ? none : *found;
}

const Broker* Image::active_broker(std::int32_t id) const {
    const Broker* broker = brokers.find(id);
    return broker != nullptr && !broker->fenced ? broker : nullptr;
}

}  // namespace millrace::metadata
