#include "storage/log_loader.h"

#include <algorithm>
#include <fmt/core.h>
#include <limits>
#include <optional>

#include "env/disk.h"
#include "records/batch.h"
#include "storage/batch_order.h"
#include "storage/batch_scan.h"
#include "storage/epoch_recovery.h"
#include "storage/file_names.h"
#include "storage/leftovers.h"
#include "storage/producer_replay.h"
#include "storage/recent_batches.h"
#include "storage/snapshot_files.h"
#include "storage/storage_log.h"

namespace millrace::storage {
namespace {

class Loader {
  public:
    Loader(env::Disk& disk, const LogOrigin& origin, Timestamp now)
        : disk_(disk),
          origin_(origin),
          path_(origin.path),
          now_(now),
          log_start_(origin.log_start) {
        if (!origin.clean_shutdown) flushed_ = origin.recovery_point;
    }

    Result<LoadedLog> load();

  private:
    Result<> load_segments();
    Offset first_unflushed() const;
    Result<> recover_unflushed();
    bool has_gap(const Segment& before, Offset base) const;
    Result<std::uint32_t> recover(Segment& segment);
    void end_order(const Segment& segment);
    Result<std::uint32_t> add_flushed_batches(Segment& segment, std::uint32_t end);
    Result<std::uint32_t> add_valid_batches(Segment& segment, std::uint32_t from,
                                            std::uint32_t end);
    Result<bool> add_batch(Segment& segment, const BatchView& batch);
    Result<> apply_producer(Segment& segment, const BatchView& batch);
    Result<> bring_producers_to(Offset end);
    Result<> take_snapshot();
    Result<> remove_below_start();
    Result<> remove_from(std::size_t first);
    Result<> remove_files(Segment& segment);
    Result<> drop_strays();
    Result<Offset> end_of(Segment& last);
    Result<> settle_end();

    env::Disk& disk_;
    const LogOrigin& origin_;
    const std::string& path_;
    Timestamp now_;
    Offset log_start_;
    // Everything below is on stable storage.
    Offset flushed_ = std::numeric_limits<Offset>::max();
    BatchOrder order_{0};         // of the segment that is recovered
    bool broken_ = false;         // the batch that is added
    std::set<Offset> compacted_;  // bases of segments that leftovers tell of
    // Without a sound index; true where just the transaction index has no checksum of ours.
    std::vector<std::pair<Segment*, bool>> damaged_;
    bool producers_known_ = false;  // log_.producers is what the log says below map_end_offset()
    LoadedLog log_;
};

Result<LoadedLog> Loader::load() {
    if (!disk_.exists(path_)) {
        RETURN_IF_ERROR(disk_.make_directories(path_));
        log_.changed = true;
    }
    ASSIGN_OR_RETURN(compacted_, clear_leftovers(disk_, path_));
    ASSIGN_OR_RETURN(auto epochs, read_epochs(disk_, path_));
    if (epochs) log_.epochs = *std::move(epochs);
    RETURN_IF_ERROR(load_segments());
    if (!origin_.clean_shutdown) RETURN_IF_ERROR(remove_below_start());
    for (const auto& [segment, unproven] : damaged_) {
        if (segment->base() >= first_unflushed()) break;  // recovered below, in order
        std::string name = segment->path(log_suffix);
        if (unproven) LOG_INFO("Rebuilding the indexes of {} by another program", name);
        if (!unproven) LOG_WARN("Rebuilding the indexes of {}", name);
        ASSIGN_OR_RETURN(std::uint32_t lost, recover(*segment));
        if (lost > 0) LOG_WARN("{} bytes of it are no batches", lost);
    }
    if (!origin_.clean_shutdown) {
        RETURN_IF_ERROR(recover_unflushed());
        if (flushed_ > order_.end()) {
            LOG_WARN("{} ends at {}, before its recovery point: all is checked", path_,
                     order_.end());
            flushed_ = 0;
            RETURN_IF_ERROR(recover_unflushed());
        }
    }
    RETURN_IF_ERROR(settle_end());
    ASSIGN_OR_RETURN(bool settled,
                     settle_epochs(log_.epochs, {disk_, path_, log_.segments, log_.start, log_.end,
                                                 origin_.clean_shutdown}));
    if (settled) log_.epochs_changed = true;
    RETURN_IF_ERROR(drop_strays());
    bool unknown_but_clean = origin_.clean_shutdown && log_.snapshots.empty();
    if (unknown_but_clean) {
        log_.producers.clear();
        log_.producers.set_map_end_offset(log_.end);
    } else {
        RETURN_IF_ERROR(bring_producers_to(log_.end));
    }
    RETURN_IF_ERROR(recall_recent_batches(log_.segments, log_.producers));
    return std::move(log_);
}

Result<> Loader::load_segments() {
    ASSIGN_OR_RETURN(auto entries, disk_.list(path_));
    std::set<Offset> bases;
    std::set<Offset> indexed, time_indexed, with_transactions;
    auto note = [](const env::DirectoryEntry& entry, std::string_view suffix, auto& into) {
        if (is_segment_file(entry.name, suffix)) into.insert(*offset_of_file(entry.name));
    };
    for (const env::DirectoryEntry& entry : entries) {
        if (entry.is_directory) continue;
        note(entry, log_suffix, bases);
        note(entry, index_suffix, indexed);
        note(entry, time_index_suffix, time_indexed);
        note(entry, transaction_index_suffix, with_transactions);
    }
    for (const env::DirectoryEntry& entry : entries) {
        if (entry.is_directory) continue;
        if (is_segment_file(entry.name, snapshot_suffix)) {
            log_.snapshots.insert(*offset_of_file(entry.name));
        }
        bool index = is_segment_file(entry.name, index_suffix) ||
                     is_segment_file(entry.name, time_index_suffix) ||
                     is_segment_file(entry.name, transaction_index_suffix) ||
                     is_segment_file(entry.name, transaction_sum_suffix);
        if (index && !bases.contains(*offset_of_file(entry.name))) {
            LOG_WARN("Removing {}/{}, an index without its segment", path_, entry.name);
            RETURN_IF_ERROR(disk_.remove(fmt::format("{}/{}", path_, entry.name)));
        }
        if (!is_segment_file(entry.name, log_suffix)) continue;
        Offset base = *offset_of_file(entry.name);
        ASSIGN_OR_RETURN(auto segment, Segment::load(disk_, path_, base, entry.size, now_));
        ASSIGN_OR_RETURN(bool sound, segment->indexes_are_sane());
        sound = sound && indexed.contains(base) && time_indexed.contains(base);
        // Of the ones that are recovered it is made anew in any case.
        bool proven = true;
        if (sound && with_transactions.contains(base)) {
            ASSIGN_OR_RETURN(proven, segment->transactions_are_sound());
        }
        if (!sound || !proven) damaged_.push_back({segment.get(), sound});
        segment->release();
        log_.segments.push_back(std::move(segment));
    }
    return {};
}

// The base of the first segment that an unclean end may have left broken. One that ends at the
// recovery point is among them: its records are on stable storage, but its indexes may not be, and
// without the transaction index aborted records would be read as committed ones.
Offset Loader::first_unflushed() const {
    if (origin_.clean_shutdown) return std::numeric_limits<Offset>::max();
    auto at = std::ranges::lower_bound(log_.segments, flushed_, {},
                                       [](const auto& segment) { return segment->base(); });
    return at == log_.segments.begin() ? 0 : (*std::prev(at))->base();
}

Result<> Loader::recover_unflushed() {
    auto& segments = log_.segments;
    auto first = std::ranges::lower_bound(segments, first_unflushed(), {},
                                          [](const auto& segment) { return segment->base(); });
    for (auto at = first; at != segments.end(); ++at) {
        if (origin_.segments_left != nullptr) {
            *origin_.segments_left = static_cast<std::uint32_t>(segments.end() - at);
        }
        ASSIGN_OR_RETURN(std::uint32_t lost, recover(**at));
        // The indexes of the last one are made anew whenever it is recovered.
        (*at)->unsynced = at + 1 != segments.end();
        std::size_t next = static_cast<std::size_t>(at - segments.begin()) + 1;
        if (lost > 0) {
            LOG_WARN("Cut {} bytes that are no batches off {}; what lies behind goes, too", lost,
                     (*at)->path(log_suffix));
            return remove_from(next);
        }
        if (next == segments.size() || !has_gap(**at, segments[next]->base())) continue;
        LOG_WARN("{} ends at {} and the next segment begins at {}: what lies behind goes, too",
                 (*at)->path(log_suffix), log_.producers.map_end_offset(), segments[next]->base());
        return remove_from(next);
    }
    return {};
}

// Whether records are missing before a segment. A segment is named after the end of the one before
// it, unless offsets leap further than a segment can count, or Apache's cleaner has been there. So
// the end of the one before, or a whole segment, was lost; nothing that lies behind can have been
// acknowledged, since a sync begins with the oldest segment.
bool Loader::has_gap(const Segment& before, Offset base) const {
    if (origin_.first_dirty && base <= *origin_.first_dirty) return false;
    if (compacted_.contains(before.base())) return false;
    Offset end = log_.producers.map_end_offset();
    return base > end && base - end <= std::numeric_limits<std::int32_t>::max();
}

// Returns how many bytes at the end held no batch.
Result<std::uint32_t> Loader::recover(Segment& segment) {
    log_.changed = true;
    std::uint32_t size = segment.written();
    std::uint32_t end = size;
    std::uint32_t valid = 0;
    while (true) {
        RETURN_IF_ERROR(bring_producers_to(segment.base()));
        RETURN_IF_ERROR(segment.begin_rebuild());
        order_ = BatchOrder(segment.base());
        ASSIGN_OR_RETURN(std::uint32_t flushed, add_flushed_batches(segment, end));
        ASSIGN_OR_RETURN(valid, add_valid_batches(segment, flushed, end));
        end_order(segment);
        if (!order_.misplaced()) break;
        end = *order_.misplaced();
    }
    // Also where nothing goes: what whoever was killed had reserved is given back.
    RETURN_IF_ERROR(segment.cut(valid));
    RETURN_IF_ERROR(segment.seal());
    segment.release();
    RETURN_IF_ERROR(take_snapshot());
    return size - valid;
}

// A segment ends before the next one; the log ends at the recovery point that a clean end has left.
void Loader::end_order(const Segment& segment) {
    auto next = std::ranges::upper_bound(log_.segments, segment.base(), {},
                                         [](const auto& each) { return each->base(); });
    if (next != log_.segments.end()) {
        order_.end_at_most((*next)->base());
    } else if (origin_.clean_shutdown) {
        order_.end_at(origin_.recovery_point);
    }
}

// Of what is on stable storage the headers are enough, but for transactions. Returns where they
// end.
Result<std::uint32_t> Loader::add_flushed_batches(Segment& segment, std::uint32_t end) {
    if (flushed_ <= segment.base()) return 0;
    ASSIGN_OR_RETURN(auto file, segment.file());
    PageAccess access;
    HeaderScan scan(std::move(file), 0, end, access);
    while (true) {
        auto place = scan.next();
        bool more = place && *place && (*place)->last_offset < flushed_;
        if (!more) break;
        Slice whole;
        ASSIGN_OR_RETURN(auto batch, scan.batch(whole));
        if (!batch) break;
        broken_ = !HeaderScan::is_sound(whole);
        ASSIGN_OR_RETURN(bool added, add_batch(segment, *batch));
        broken_ = false;
        if (!added) break;
    }
    return segment.size();
}

// Returns where the batches end that are whole, sound and in order.
Result<std::uint32_t> Loader::add_valid_batches(Segment& segment, std::uint32_t from,
                                                std::uint32_t end) {
    ASSIGN_OR_RETURN(auto file, segment.file());
    BatchScan scan(file, from, end);
    while (true) {
        std::uint32_t position = scan.position();
        auto batch = scan.next();
        // Old formats are refused, but behind batches of this one it is a header that a power cut
        // has torn before its magic.
        bool torn =
            !batch &&
            (batch.error().code == ErrorCode::corrupt_message ||
             (batch.error().code == ErrorCode::unsupported_for_message_format && position > 0));
        if (!batch && !torn) {
            return fail(batch.error().code,
                        fmt::format("{}: {}", segment.path(log_suffix), batch.error().message));
        }
        if (!batch || !*batch || !(*batch)->verify_crc()) return position;
        ASSIGN_OR_RETURN(bool added, add_batch(segment, **batch));
        if (!added) return position;
        if (origin_.pages_in_doubt && (*batch)->next_offset() > flushed_) {
            RETURN_IF_ERROR(file->write(position, (*batch)->bytes()));
        }
    }
}

// False when the batch cannot follow what lies before it.
Result<bool> Loader::add_batch(Segment& segment, const BatchView& batch) {
    if (!order_.add(batch, segment.size())) return false;
    RETURN_IF_ERROR(segment.add(batch, origin_.options.index_interval_bytes));
    auto latest = log_.epochs.latest();
    if (batch.leader_epoch() >= 0 && (!latest || batch.leader_epoch() > latest->epoch)) {
        if (log_.epochs.assign(batch.leader_epoch(), batch.base_offset())) {
            log_.epochs_changed = true;
        }
    }
    RETURN_IF_ERROR(apply_producer(segment, batch));
    return true;
}

Result<> Loader::apply_producer(Segment& segment, const BatchView& batch) {
    if (broken_) {
        LOG_WARN(
            "{}: a batch at offset {} of a transaction has another CRC: what it was to end "
            "stays undecided",
            path_, batch.base_offset());
        log_.producers.set_map_end_offset(batch.next_offset());
        return {};
    }
    auto ended = log_.producers.apply(batch);
    log_.producers.set_map_end_offset(batch.next_offset());
    if (!ended) {
        LOG_WARN("{}: a marker that ends no transaction: {}", path_, ended.error().message);
        return {};
    }
    if (!*ended) return {};
    if ((*ended)->aborted) {
        AbortedTransaction aborted{(*ended)->producer_id, (*ended)->first_offset,
                                   (*ended)->last_offset,
                                   log_.producers.stable_offset_after(**ended)};
        RETURN_IF_ERROR(segment.transactions().append(aborted));
    }
    log_.producers.complete(**ended);
    return {};
}

Result<> Loader::bring_producers_to(Offset end) {
    ProducerState& producers = log_.producers;
    if (producers_known_ && producers.map_end_offset() == end) return {};
    if (!producers_known_ || producers.map_end_offset() > end) {
        std::set<Offset> usable;
        for (Offset offset : log_.snapshots) {
            if (offset <= end && offset > log_start_) usable.insert(offset);
        }
        RETURN_IF_ERROR(load_latest_snapshot(disk_, path_, usable, log_start_, now_,
                                             origin_.options.producer_id_expiration_ms, producers));
        std::erase_if(log_.snapshots, [&](Offset offset) {
            return offset <= end && offset > log_start_ && !usable.contains(offset);
        });
        producers_known_ = true;
    }
    Offset before = producers.map_end_offset();
    for (auto& segment : log_.segments) {
        if (segment->base() >= end) break;
        RETURN_IF_ERROR(replay_producers(*segment, end, producers));
        segment->release();
    }
    bool replayed = producers.map_end_offset() > before;
    if (producers.map_end_offset() < end) producers.set_map_end_offset(end);
    if (replayed && end == log_.end) RETURN_IF_ERROR(take_snapshot());
    return {};
}

Result<> Loader::take_snapshot() {
    Offset offset = log_.producers.map_end_offset();
    Offset latest = log_.snapshots.empty() ? log_start_ : *log_.snapshots.rbegin();
    if (offset <= latest) return {};
    RETURN_IF_ERROR(write_snapshot(disk_, path_, log_.producers, false));
    log_.snapshots.insert(offset);
    return {};
}

// Of segments that retention had removed a power cut brings back any: what they hold and what lacks
// between them is nobody's concern.
Result<> Loader::remove_below_start() {
    auto& segments = log_.segments;
    while (segments.size() > 1 && segments[1]->base() <= log_start_) {
        RETURN_IF_ERROR(remove_files(*segments.front()));
        segments.erase(segments.begin());
    }
    return {};
}

Result<> Loader::remove_from(std::size_t first) {
    while (log_.segments.size() > first) {
        RETURN_IF_ERROR(remove_files(*log_.segments.back()));
        log_.segments.pop_back();
    }
    return {};
}

Result<> Loader::remove_files(Segment& segment) {
    segment.release();
    std::vector<std::string> names = segment.paths();
    names.push_back(segment.path(snapshot_suffix));
    for (const std::string& name : names) {
        if (disk_.exists(name)) RETURN_IF_ERROR(disk_.remove(name));
    }
    log_.snapshots.erase(segment.base());
    std::erase_if(damaged_, [&](const auto& each) { return each.first == &segment; });
    log_.changed = true;
    return {};
}

// Snapshots serve segments, and the latest one serves the end of the log.
Result<> Loader::drop_strays() {
    std::set<Offset> bases;
    for (const auto& segment : log_.segments) bases.insert(segment->base());
    std::optional<Offset> latest_stray;
    for (Offset offset : log_.snapshots) {
        if (!bases.contains(offset) && offset <= log_.end) latest_stray = offset;
    }
    if (latest_stray && *latest_stray < *bases.rbegin()) latest_stray.reset();
    for (auto at = log_.snapshots.begin(); at != log_.snapshots.end();) {
        if (bases.contains(*at) || *at == latest_stray) {
            ++at;
            continue;
        }
        RETURN_IF_ERROR(disk_.remove(segment_path(path_, *at, snapshot_suffix)));
        at = log_.snapshots.erase(at);
    }
    return {};
}

Result<Offset> Loader::end_of(Segment& last) {
    auto batch = last.last_batch();
    bool whole = batch && (*batch ? (*batch)->position + (*batch)->size : 0) == last.written();
    bool elsewhere = whole && *batch && origin_.clean_shutdown && origin_.recovery_point > 0 &&
                     (*batch)->last_offset + 1 != origin_.recovery_point;
    if (!whole || elsewhere) {
        if (!batch && batch.error().code != ErrorCode::corrupt_message) {
            return fail(std::move(batch).error());
        }
        LOG_WARN("{} ends in {}: recovering it", last.path(log_suffix),
                 whole ? "another offset than its clean end left" : "bytes that are no batch");
        if (elsewhere) flushed_ = std::min(flushed_, last.base());  // headers are not enough
        ASSIGN_OR_RETURN(std::uint32_t lost, recover(last));
        if (lost > 0) LOG_WARN("Cut {} bytes off {}", lost, last.path(log_suffix));
        ASSIGN_OR_RETURN(batch, last.last_batch());
    }
    last.release();
    return *batch ? (*batch)->last_offset + 1 : last.base();
}

Result<> Loader::settle_end() {
    if (!log_.segments.empty()) {
        ASSIGN_OR_RETURN(log_.end, end_of(*log_.segments.back()));
        if (log_.end < log_start_ && origin_.clean_shutdown) {
            LOG_WARN("{} ends at {}: a clean end has not left the start {}, which is not believed",
                     path_, log_.end, log_start_);
            log_start_ = log_.segments.front()->base();
        } else if (log_.end < log_start_) {
            LOG_WARN("{} ends at {}, before its start {}: its segments go", path_, log_.end,
                     log_start_);
            RETURN_IF_ERROR(remove_from(0));
            log_.epochs.clear();
            log_.epochs_changed = true;
            producers_known_ = false;
        }
    }
    if (log_.segments.empty()) {
        ASSIGN_OR_RETURN(auto segment, Segment::create(disk_, path_, log_start_, now_,
                                                       Segment::preallocation(origin_.options)));
        log_.segments.push_back(std::move(segment));
        log_.end = log_start_;
        log_.changed = true;
    }
    log_.local_start = std::max(log_start_, log_.segments.front()->base());
    log_.start = origin_.options.tiered ? log_start_ : log_.local_start;
    log_.flushed = std::min(flushed_, log_.end);
    return {};
}

}  // namespace

Result<LoadedLog> load_log(env::Disk& disk, const LogOrigin& origin, Timestamp now) {
    return Loader(disk, origin, now).load();
}

}  // namespace millrace::storage
