#include "storage/epoch_recovery.h"

#include <algorithm>
#include <fmt/core.h>
#include <limits>
#include <vector>

#include "env/disk.h"
#include "storage/checked_text.h"
#include "storage/file_names.h"
#include "storage/segment.h"
#include "storage/storage_log.h"

namespace millrace::storage {
namespace {

constexpr Offset no_bound = std::numeric_limits<Offset>::max();

using Segments = std::span<const std::unique_ptr<Segment>>;

// The batch that holds `offset`, or the next one.
Result<std::optional<BatchPlace>> find(Segments segments, Offset offset) {
    auto above = std::ranges::upper_bound(segments, offset, {},
                                          [](const auto& segment) { return segment->base(); });
    for (auto at = above == segments.begin() ? above : std::prev(above); at != segments.end();
         ++at) {
        PageAccess access;
        ASSIGN_OR_RETURN(std::optional<BatchPlace> place, (*at)->find(offset, access));
        if (place) return place;
    }
    return std::nullopt;
}

// Whether batches of the entry's epoch begin where it says, behind those of the entry before it.
// Compaction may have taken all of an epoch.
Result<bool> holds(Segments segments, const LeaderEpochs& epochs, std::size_t index,
                   Offset log_start) {
    const EpochStart& entry = epochs.entries()[index];
    ASSIGN_OR_RETURN(auto first, find(segments, std::max(entry.start_offset, log_start)));
    if (first && first->leader_epoch >= 0) {
        bool last = index + 1 == epochs.entries().size();
        bool in_range = last || first->base_offset < epochs.entries()[index + 1].start_offset;
        if (in_range ? first->leader_epoch != entry.epoch : first->leader_epoch < entry.epoch) {
            return false;
        }
    }
    if (entry.start_offset <= log_start || index == 0) return true;
    ASSIGN_OR_RETURN(auto before, find(segments, entry.start_offset - 1));
    bool is_before = before && before->base_offset < entry.start_offset;
    return !is_before || before->leader_epoch <= epochs.entries()[index - 1].epoch;
}

Result<bool> hold(Segments segments, const LeaderEpochs& epochs, Offset log_start) {
    ASSIGN_OR_RETURN(auto first, find(segments, log_start));
    bool known = !first || first->leader_epoch < 0 ||
                 epochs.epoch_at(std::max(first->base_offset, log_start));
    if (!known) return false;
    for (std::size_t i = 0; i < epochs.entries().size(); ++i) {
        ASSIGN_OR_RETURN(bool fits, holds(segments, epochs, i, log_start));
        if (!fits) return false;
    }
    return true;
}

// A batch in the middle with a garbled epoch begins one that is above those of all behind it.
Result<bool> ends_in_latest(Segments segments, const LeaderEpochs& epochs) {
    auto latest = epochs.latest();
    if (!latest) return true;
    for (auto at = segments.rbegin(); at != segments.rend(); ++at) {
        ASSIGN_OR_RETURN(std::optional<BatchPlace> last, (*at)->last_batch());
        if (!last) continue;
        return last->leader_epoch < 0 || last->leader_epoch == latest->epoch ||
               last->last_offset < latest->start_offset;
    }
    return true;
}

std::string file_in(const std::string& directory) {
    return fmt::format("{}/{}", directory, epochs_file);
}

std::optional<LeaderEpochs> parsed(std::string_view text, const std::string& name) {
    auto epochs = LeaderEpochs::parse(text, name);
    if (epochs) return *std::move(epochs);
    LOG_WARN("{}", epochs.error().message);
    return std::nullopt;
}

Result<std::optional<LeaderEpochs>> proven_epochs(const EpochsOf& log) {
    std::string name = file_in(log.directory);
    if (!log.disk.exists(name)) return std::nullopt;
    ASSIGN_OR_RETURN(CheckedText file, read_checked(log.disk, name));
    return file.proven ? parsed(file.text, name) : std::nullopt;
}

// Of the batches that begin below `bound`, as they have them. They ascend: one batch alone that is
// above those behind it, or below those before it, is garbled.
Result<LeaderEpochs> epochs_below(Segments segments, Offset bound) {
    LeaderEpochs epochs;
    int batches = 0;  // of the latest epoch
    for (const auto& segment : segments) {
        if (segment->base() >= bound) break;
        RETURN_IF_ERROR(segment->visit([&](const BatchPlace& place) {
            if (place.leader_epoch < 0 || place.base_offset >= bound) return;
            auto latest = epochs.latest();
            if (latest && place.leader_epoch < latest->epoch) {
                if (batches > 1) return;
                epochs.truncate_from_end(latest->start_offset);
            }
            batches = epochs.assign(place.leader_epoch, place.base_offset) ? 1 : batches + 1;
        }));
        segment->release();
    }
    return epochs;
}

// Those at the end of the log that are above `epoch`.
Result<std::vector<EpochStart>> epochs_above(Segments segments, std::int32_t epoch) {
    std::vector<EpochStart> latest;
    for (const auto& segment : segments) {
        RETURN_IF_ERROR(segment->visit([&](const BatchPlace& place) {
            if (place.leader_epoch < 0) return;
            if (place.leader_epoch <= epoch) {
                latest.clear();
            } else if (latest.empty() || place.leader_epoch > latest.back().epoch) {
                latest.push_back({place.leader_epoch, place.base_offset});
            }
        }));
        segment->release();
    }
    return latest;
}

// The highest epoch of the batches that begin at `offset` or behind.
Result<std::int32_t> highest_epoch_from(Segments segments, Offset offset) {
    std::int32_t highest = no_leader_epoch;
    for (const auto& segment : segments) {
        RETURN_IF_ERROR(segment->visit([&](const BatchPlace& place) {
            if (place.base_offset >= offset) highest = std::max(highest, place.leader_epoch);
        }));
        segment->release();
    }
    return highest;
}

// After an unclean end the file may lack the latest epochs, and the earliest where the log begins
// before the start that it was written for; or a cut that it knows of has not become durable, and
// the batches are back that were before its latest epochs.
Result<LeaderEpochs> completed(Segments segments, LeaderEpochs file) {
    while (file.latest()) {
        EpochStart latest = *file.latest();
        ASSIGN_OR_RETURN(auto highest, highest_epoch_from(segments, latest.start_offset));
        if (highest == no_leader_epoch || highest >= latest.epoch) break;
        file.truncate_from_end(latest.start_offset);
    }
    if (file.entries().empty()) return epochs_below(segments, no_bound);
    const EpochStart& first = file.entries().front();
    ASSIGN_OR_RETURN(LeaderEpochs epochs, epochs_below(segments, first.start_offset));
    while (epochs.latest() && epochs.latest()->epoch > first.epoch) {
        epochs.truncate_from_end(epochs.latest()->start_offset);
    }
    for (const EpochStart& each : file.entries()) epochs.assign(each.epoch, each.start_offset);
    ASSIGN_OR_RETURN(auto latest, epochs_above(segments, file.latest()->epoch));
    if (!latest.empty()) epochs.truncate_from_end(latest.front().start_offset);
    for (const EpochStart& each : latest) epochs.assign(each.epoch, each.start_offset);
    return epochs;
}

}  // namespace

Result<std::optional<LeaderEpochs>> read_epochs(env::Disk& disk, const std::string& directory) {
    std::string name = file_in(directory);
    if (!disk.exists(name)) return std::nullopt;
    ASSIGN_OR_RETURN(std::string text, env::read_file(disk, name));
    return parsed(text, name);
}

Result<bool> settle_epochs(LeaderEpochs& epochs, const EpochsOf& log) {
    bool changed = epochs.truncate_from_end(log.end);
    if (epochs.truncate_from_start(log.start)) changed = true;
    ASSIGN_OR_RETURN(bool sound, hold(log.segments, epochs, log.start));
    if (sound) {
        ASSIGN_OR_RETURN(sound, ends_in_latest(log.segments, epochs));
    }
    for (const auto& segment : log.segments) segment->release();
    if (sound) return changed;
    ASSIGN_OR_RETURN(auto proven, proven_epochs(log));
    if (proven) proven->truncate_from_end(log.end);
    if (proven && log.clean_shutdown) {
        epochs = *std::move(proven);
    } else if (proven) {
        ASSIGN_OR_RETURN(epochs, completed(log.segments, *std::move(proven)));
    } else {
        LOG_WARN("Reading the leader epochs from {} and what lies behind it",
                 log.segments.front()->path(log_suffix));
        ASSIGN_OR_RETURN(epochs, epochs_below(log.segments, no_bound));
    }
    epochs.truncate_from_start(log.start);
    return true;
}

}  // namespace millrace::storage
