#include "storage/header_proof.h"

#include <algorithm>
#include <fmt/core.h>

#include "env/disk.h"
#include "storage/batch_scan.h"

namespace millrace::storage {
namespace {

// Readers who go to and fro leave few gaps; past these the smallest range is walked again.
constexpr std::size_t most_ranges = 32;

class Walk {
  public:
    explicit Walk(const HeaderWalk& terms)
        : terms_(terms), proven_{terms.position, terms.position, terms.least} {}

    Result<HeaderWalkOutcome> run();

  private:
    std::string misplaced(const BatchPlace& place) const;
    bool leapt_over(const BatchPlace& place) const;
    Result<bool> latest_is_whole() const;
    bool reached(const BatchPlace& place);
    HeaderWalkOutcome broken(std::string_view why) const;

    const HeaderWalk& terms_;
    ProvenRange proven_;  // up to the batch whose successor is still to be seen
    // That batch, and whether it would be the wrong one where its successor fits without it.
    struct Latest {
        BatchPlace place;
        bool leaps = false;
    };
    std::optional<Latest> latest_;
    std::optional<std::uint64_t> target_;
};

// Why it cannot follow the latest batch; empty when it can.
std::string Walk::misplaced(const BatchPlace& place) const {
    Offset least = latest_ ? latest_->place.last_offset + 1 : proven_.next;
    if (place.base_offset < least || place.last_offset >= terms_.bound) {
        return fmt::format("a batch has offsets {} to {}, and must lie between {} and {}",
                           place.base_offset, place.last_offset, least, terms_.bound);
    }
    auto epoch = terms_.epochs.epoch_at(place.last_offset);
    bool known = place.leader_epoch == no_leader_epoch || !epoch || *epoch == place.leader_epoch;
    if (known) return {};
    return fmt::format("a batch with offsets {} to {} has leader epoch {}, and not {}",
                       place.base_offset, place.last_offset, place.leader_epoch, *epoch);
}

bool Walk::leapt_over(const BatchPlace& place) const {
    return latest_ && latest_->leaps && place.base_offset <= latest_->place.last_offset &&
           place.base_offset >= proven_.next;
}

// Where nothing follows it, its length may be the wrong one.
Result<bool> Walk::latest_is_whole() const {
    const BatchPlace& place = latest_->place;
    Buffer buffer(place.size);
    buffer.resize(place.size);
    ASSIGN_OR_RETURN(std::size_t count, terms_.file->read(place.position, buffer.mutable_bytes()));
    return count == place.size && BatchView::trusted(buffer.bytes()).verify_crc().has_value();
}

bool Walk::reached(const BatchPlace& place) {
    if (!target_ && latest_ && latest_->place.last_offset >= terms_.wanted) {
        target_ = latest_->place.position + std::max<std::uint64_t>(terms_.bytes, 1);
    }
    return target_ && place.position >= *target_;
}

HeaderWalkOutcome Walk::broken(std::string_view why) const {
    return {proven_,
            Error{ErrorCode::corrupt_message, fmt::format("at byte {} {}", proven_.end, why)}};
}

Result<HeaderWalkOutcome> Walk::run() {
    PageAccess access;
    HeaderScan scan(terms_.file, proven_.begin, terms_.end, access);
    while (true) {
        auto place = scan.next();
        if (!place && place.error().code == ErrorCode::kafka_storage_error) {
            return fail(std::move(place).error());
        }
        // The latest batch is right where one follows it that is, or where the segment ends.
        std::uint32_t end = latest_ ? latest_->place.position + latest_->place.size : proven_.end;
        bool follows = place && *place;
        std::string why = follows             ? misplaced(**place)
                          : !place            ? "no batch begins"
                          : end != terms_.end ? "a batch begins that is cut short"
                                              : "";
        if (!why.empty() && latest_) {
            bool wrong = follows && leapt_over(**place);
            if (!follows) {
                ASSIGN_OR_RETURN(bool whole, latest_is_whole());
                wrong = !whole;
            }
            if (wrong) {
                return broken(fmt::format(
                    "a batch has offsets {} to {} and {} bytes, and behind "
                    "it there cannot be what is there",
                    latest_->place.base_offset, latest_->place.last_offset, latest_->place.size));
            }
        }
        if (latest_) proven_ = {proven_.begin, end, latest_->place.last_offset + 1};
        if (!why.empty()) return broken(why);
        if (!follows || reached(**place)) return HeaderWalkOutcome{proven_, std::nullopt};
        bool proven_by_index = terms_.indexed && !latest_;
        latest_ = Latest{**place, !proven_by_index && (*place)->base_offset > proven_.next};
    }
}

}  // namespace

const ProvenRange* ProvenHeaders::range_at(std::uint32_t position) const {
    auto above = std::ranges::upper_bound(ranges_, position, {}, &ProvenRange::begin);
    if (above == ranges_.begin()) return nullptr;
    const ProvenRange& range = *std::prev(above);
    return position < range.end ? &range : nullptr;
}

std::uint32_t ProvenHeaders::end_from(std::uint32_t position, std::uint32_t size) const {
    if (position >= found_) return size;
    const ProvenRange* range = range_at(position);
    if (range == nullptr) return position;
    return range->end == found_ ? size : range->end;
}

void ProvenHeaders::add(ProvenRange range) {
    if (range.begin >= range.end || range.end > found_) return;
    auto first = std::ranges::lower_bound(ranges_, range.begin, {}, &ProvenRange::end);
    auto last = first;
    for (; last != ranges_.end() && last->begin <= range.end; ++last) {
        if (last->end > range.end) range = {range.begin, last->end, last->next};
        range.begin = std::min(range.begin, last->begin);
    }
    ranges_.insert(ranges_.erase(first, last), range);
    if (range.begin == 0 && range.end == found_) *this = ProvenHeaders();
    if (ranges_.size() <= most_ranges) return;
    ranges_.erase(std::ranges::min_element(
        ranges_, {}, [](const ProvenRange& each) { return each.end - each.begin; }));
}

void ProvenHeaders::cut(std::uint32_t size) {
    if (size >= found_) return;
    found_ = size;
    std::erase_if(ranges_, [&](const ProvenRange& range) { return range.begin >= size; });
    if (!ranges_.empty()) ranges_.back().end = std::min(ranges_.back().end, size);
    bool whole = !ranges_.empty() && ranges_.front().begin == 0 && ranges_.front().end == size;
    if (size == 0 || whole) *this = ProvenHeaders();
}

Result<HeaderWalkOutcome> HeaderWalk::run() const { return Walk(*this).run(); }

}  // namespace millrace::storage
