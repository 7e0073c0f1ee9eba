#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/disk.h"
#include "env/sim/conditions.h"
#include "env/sim/inode.h"
#include "env/sim/trace.h"

namespace millrace::env::sim {

class Node;

// The disk of one node: what was written and what of it would survive. It outlives the node's
// crashes.
//
// Creating, renaming and removing become durable by sync_directory() of each directory concerned;
// a crash keeps some of the others: a leading part of them, or any subset.
class Disk final : public env::Disk {
  public:
    Disk(Node& node, Random random, Trace& trace)
        : node_(node), random_(random), trace_(trace), root_(std::make_shared<Inode>()) {
        root_->is_directory = true;
    }

    Result<std::shared_ptr<env::File>> open(std::string_view path, OpenOptions options) override;
    bool exists(std::string_view path) override { return find(path) != nullptr; }
    Result<std::vector<DirectoryEntry>> list(std::string_view directory) override;
    Result<> make_directories(std::string_view path) override;
    Result<> rename(std::string_view from, std::string_view to) override;
    Result<> remove(std::string_view path) override;
    Result<> remove_all(std::string_view path) override;
    Result<> sync_directory(std::string_view path) override;
    Result<Timestamp> modified(std::string_view path) override;
    Result<> set_mode(std::string_view path, unsigned mode) override;
    Result<std::unique_ptr<FileLock>> lock(std::string_view path) override;
    Result<Space> space(std::string_view path) override;

    // For tests.
    DiskConditions conditions;
    enum class Fault { read, write, sync, open, rename, remove };
    // The next operation of that kind on a path that contains `path_part` fails with `reason`
    // (as the system says it: "Input/output error", "No space left on device"), after `skip`
    // that pass.
    void fail_next(Fault fault, std::string path_part, std::string reason = "Input/output error",
                   int skip = 0);
    // Every operation on a path that contains `path_part` fails until mend(), as on a device that
    // died; what is in files stays.
    void break_under(std::string path_part) { broken_.push_back(std::move(path_part)); }
    void mend() { broken_.clear(); }
    // After so many further operations all fail, until the process ends or the power is lost: a
    // crash in the middle of what a process does at one go. `amid`: where it is a write, the first
    // that fails leaves a part.
    void cut_off_after(std::uint64_t operations, bool amid = false) {
        operations_left_ = operations;
        cut_amid_ = amid;
        hit_.clear();
    }
    // After so many further operations one fails with `reason`, whatever it is; a write leaves a
    // part. Those behind it are carried out.
    void fail_after(std::uint64_t operations, std::string reason) {
        planned_failure_ = {operations_ + operations, std::move(reason)};
        hit_.clear();
    }
    std::uint64_t operations() const { return operations_; }  // so far
    // The operation that met the end of cut_off_after() or the failure of fail_after(); empty
    // before.
    const std::string& hit() const { return hit_; }
    // Flips a bit of a stored file, synced or not.
    void rot(std::string_view path, std::uint64_t offset, unsigned bit = 0);
    // As a program that copies a file with its times leaves it.
    void set_modified(std::string_view path, Timestamp time);
    // Forgets, keeps, tears and reorders what was not synced.
    void lose_power();
    void process_ended();
    std::uint64_t used() const { return used_; }
    bool everything_durable(std::string_view path) const;

  private:
    friend class File;
    // One atomic change of the tree: names that go, and names that come.
    struct Change {
        struct Name {
            std::shared_ptr<Inode> directory;
            std::string name;
            std::shared_ptr<Inode> inode;  // null: removed
        };
        std::vector<Name> names;
    };

    std::shared_ptr<Inode> find(std::string_view path) const;
    struct Place {
        std::shared_ptr<Inode> directory;
        std::string name;
    };
    Result<Place> place(std::string_view path, std::string_view what) const;
    bool online() const;
    // Begins an operation: an error when it does not come about, or fails.
    Result<> begin(std::string_view what);
    // Whether a write that begin() has just refused leaves a part.
    bool leaves_a_part() const { return online() || cut_amid_now_; }
    Result<> check_whole(std::string_view path, std::string_view what) const;
    // Whether an injected or drawn fault hits this operation.
    Result<> draw_fault(Fault fault, std::string_view path, double probability,
                        std::string_view what);
    void change(Change change);
    static void make_durable(const Change& change);
    // After the content of a file has changed.
    void written(Inode& inode, std::uint64_t size_before);
    void unlink(Inode& inode);

    struct Planned {
        Fault fault;
        std::string path_part;
        std::string reason;
        int skip;
    };

    Node& node_;
    Random random_;
    Trace& trace_;
    std::shared_ptr<Inode> root_;
    std::deque<Change> unsynced_;
    std::vector<Planned> planned_;
    std::vector<std::string> broken_;
    struct PlannedFailure {
        std::uint64_t operation = 0;
        std::string reason;
    };
    std::uint64_t operations_ = 0;
    std::optional<std::uint64_t> operations_left_;
    std::optional<PlannedFailure> planned_failure_;
    bool cut_amid_ = false;
    bool cut_amid_now_ = false;  // this operation is the first that is cut off
    std::string hit_;
    std::uint64_t used_ = 0;  // bytes of all files
};

}  // namespace millrace::env::sim
