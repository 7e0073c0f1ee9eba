#include "storage/leader_epochs.h"

#include <algorithm>
#include <fmt/core.h>

#include "storage/text_lines.h"

namespace millrace::storage {

bool LeaderEpochs::assign(std::int32_t epoch, Offset start_offset) {
    if (epoch < 0 || start_offset < 0) return false;
    if (!entries_.empty() && entries_.back().epoch == epoch &&
        start_offset >= entries_.back().start_offset) {
        return false;
    }
    while (!entries_.empty() &&
           (entries_.back().epoch >= epoch || entries_.back().start_offset >= start_offset)) {
        entries_.pop_back();
    }
    entries_.push_back({epoch, start_offset});
    return true;
}

bool LeaderEpochs::truncate_from_end(Offset end_offset) {
    std::size_t before = entries_.size();
    while (!entries_.empty() && entries_.back().start_offset >= end_offset) entries_.pop_back();
    return entries_.size() != before;
}

bool LeaderEpochs::truncate_from_start(Offset start_offset) {
    auto first_kept = std::ranges::find_if(
        entries_, [&](const EpochStart& entry) { return entry.start_offset > start_offset; });
    if (first_kept == entries_.begin()) return false;
    auto holder = std::prev(first_kept);
    if (holder == entries_.begin() && holder->start_offset == start_offset) return false;
    holder->start_offset = start_offset;
    entries_.erase(entries_.begin(), holder);
    return true;
}

std::optional<EpochEnd> LeaderEpochs::end_of(std::int32_t epoch, Offset log_end) const {
    if (epoch < 0 || entries_.empty()) return std::nullopt;
    if (entries_.back().epoch == epoch) return EpochEnd{epoch, log_end};
    auto higher = std::ranges::upper_bound(entries_, epoch, {}, &EpochStart::epoch);
    if (higher == entries_.end()) return std::nullopt;
    if (higher == entries_.begin()) return EpochEnd{epoch, higher->start_offset};
    return EpochEnd{std::prev(higher)->epoch, higher->start_offset};
}

std::optional<std::int32_t> LeaderEpochs::epoch_at(Offset offset) const {
    auto later = std::ranges::upper_bound(entries_, offset, {}, &EpochStart::start_offset);
    if (later == entries_.begin()) return std::nullopt;
    return std::prev(later)->epoch;
}

std::optional<EpochStart> LeaderEpochs::latest() const {
    if (entries_.empty()) return std::nullopt;
    return entries_.back();
}

std::optional<EpochStart> LeaderEpochs::earliest() const {
    if (entries_.empty()) return std::nullopt;
    return entries_.front();
}

std::optional<EpochStart> LeaderEpochs::previous(std::int32_t epoch) const {
    auto at = std::ranges::lower_bound(entries_, epoch, {}, &EpochStart::epoch);
    if (at == entries_.begin()) return std::nullopt;
    return *std::prev(at);
}

std::string LeaderEpochs::to_text() const {
    std::string text = fmt::format("0\n{}\n", entries_.size());
    for (const EpochStart& entry : entries_) {
        text += fmt::format("{} {}\n", entry.epoch, entry.start_offset);
    }
    return text;
}

Result<LeaderEpochs> LeaderEpochs::parse(std::string_view text, std::string_view name) {
    ASSIGN_OR_RETURN(auto lines, parse_checkpoint_lines(text, 2, name));
    LeaderEpochs epochs;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        auto epoch = parse_number<std::int32_t>(lines[i][0]);
        auto offset = parse_number<Offset>(lines[i][1]);
        if (!epoch || !offset || *epoch < 0 || *offset < 0) {
            return bad_line(name, i + 3, "an epoch and an offset");
        }
        epochs.assign(*epoch, *offset);
    }
    return epochs;
}

}  // namespace millrace::storage
