#include "env/sim/file.h"

#include <algorithm>
#include <fmt/core.h>

#include "env/sim/disk.h"
#include "env/sim/node.h"

namespace millrace::env::sim {

File::File(Disk& disk, std::shared_ptr<Inode> inode, std::string path, bool writable)
    : disk_(disk),
      inode_(std::move(inode)),
      path_(std::move(path)),
      writable_(writable),
      boot_(disk.node_.boot()) {}

Result<> File::check_usable(std::string_view what) const {
    if (boot_ == disk_.node_.boot()) return {};
    return fail(ErrorCode::kafka_storage_error,
                fmt::format("{}: the process that opened the file has ended", what));
}

Result<std::size_t> File::read(std::uint64_t offset, MutableBytes into) {
    std::string what = fmt::format("reading {} bytes at {} of {}", into.size(), offset, path_);
    RETURN_IF_ERROR(check_usable(what));
    RETURN_IF_ERROR(disk_.draw_fault(Disk::Fault::read, path_, disk_.conditions.read_error, what));
    return inode_->content.read(offset, into);
}

Result<std::size_t> File::read_cached(std::uint64_t offset, MutableBytes into, bool& cached) {
    cached = into.empty() || !disk_.random_.chance(disk_.conditions.cold);
    if (cached) return read(offset, into);
    // What is in memory may end anywhere within what was asked for.
    return read(offset, into.first(disk_.random_.below(into.size())));
}

Result<> File::write(std::uint64_t offset, std::span<const Bytes> pieces) {
    std::string what = fmt::format("writing at {} of {}", offset, path_);
    RETURN_IF_ERROR(check_usable(what));
    if (!writable_) return fail(ErrorCode::kafka_storage_error, what + ": Bad file descriptor");
    Result<> fate = disk_.draw_fault(Disk::Fault::write, path_, disk_.conditions.write_error, what);
    if (!fate && !disk_.leaves_a_part()) return fate;
    std::uint64_t total = 0;
    for (Bytes piece : pieces) total += piece.size();
    // A write that fails may have got any part of the way.
    std::uint64_t left = fate ? total : disk_.random_.below(total + 1);
    for (Bytes piece : pieces) {
        piece = piece.first(std::min<std::uint64_t>(left, piece.size()));
        std::uint64_t end = offset + piece.size();
        std::uint64_t grows = end - std::min(end, std::max(offset, inode_->content.size()));
        std::uint64_t room =
            disk_.conditions.capacity - std::min(disk_.conditions.capacity, disk_.used_);
        if (grows > room) {
            piece = piece.first(piece.size() - (grows - room));
            fate = fail(ErrorCode::kafka_storage_error, what + ": No space left on device");
        }
        std::uint64_t size_before = inode_->content.size();
        inode_->content.write(offset, piece);
        disk_.written(*inode_, size_before);
        offset += piece.size();
        left -= piece.size();
        if (!fate) break;
    }
    disk_.trace_.note(Trace::Kind::write, offset, total);
    return fate;
}

Result<> File::truncate(std::uint64_t size) {
    std::string what = fmt::format("truncating {} to {} bytes", path_, size);
    RETURN_IF_ERROR(check_usable(what));
    RETURN_IF_ERROR(disk_.begin(what));
    if (!writable_) return fail(ErrorCode::kafka_storage_error, what + ": Invalid argument");
    std::uint64_t size_before = inode_->content.size();
    inode_->content.truncate(size);
    disk_.written(*inode_, size_before);
    return {};
}

Result<std::uint64_t> File::size() {
    RETURN_IF_ERROR(check_usable(path_));
    return inode_->content.size();
}

Result<> File::sync_now() {
    std::string what = fmt::format("syncing {}", path_);
    RETURN_IF_ERROR(check_usable(what));
    return finish_sync(inode_->content.begin_sync(), what);
}

// The end of a process is no failure of its disk: what it had written stays to be synced.
Result<> File::finish_sync(Content::Pending pending, std::string_view what) {
    bool online = disk_.online();
    Result<> fate = disk_.draw_fault(Disk::Fault::sync, path_, disk_.conditions.sync_error, what);
    if (fate) {
        inode_->content.end_sync(std::move(pending));
    } else if (online) {
        inode_->content.fail_sync(pending);
    }
    disk_.trace_.note(Trace::Kind::sync, inode_->content.size(), fate ? 1 : 0);
    return fate;
}

void File::begin(FileOperation& operation) {
    auto self = shared_from_this();
    const DiskConditions& conditions = disk_.conditions;
    if (operation.kind == FileOperation::Kind::read) {
        disk_.node_.complete_later(
            conditions.read.draw(disk_.random_),
            [self, &operation] { operation.result = self->read(operation.offset, operation.into); },
            operation);
        return;
    }
    // Only what was written before the sync began is durable when it ends.
    auto pending = std::make_shared<Content::Pending>(inode_->content.begin_sync());
    auto finish = [self, pending, &operation] {
        std::string what = fmt::format("syncing {}", self->path_);
        Result<> fate = self->check_usable(what);
        if (fate) fate = self->finish_sync(std::move(*pending), what);
        if (!fate) operation.result = fail(std::move(fate).error());
    };
    disk_.node_.complete_later(conditions.sync.draw(disk_.random_), std::move(finish), operation);
}

}  // namespace millrace::env::sim
