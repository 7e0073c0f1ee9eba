#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/metadata/image_tree.h"
#include "server/dump_log_output.h"
#include "server/shell_glob.h"

namespace millrace::server {

// The commands of metadata-shell on a tree: ls, cat, cd, find, pwd, tree, and in a conversation
// also help, man, history and exit. Output is as Apache's shell has it, one name a line.
class Shell {
  public:
    enum class Mode { single_command, conversation };

    Shell(metadata::TreeNode root, Mode mode, TextSink& sink)
        : root_(std::move(root)), mode_(mode), sink_(sink) {}

    // Another tree from now on; folder and history stay.
    void show(metadata::TreeNode root) { root_ = std::move(root); }
    // False when a path was not there or the command was wrong, which has been said.
    bool run(std::span<const std::string> words);
    // One line of a conversation, which its history keeps.
    bool run_line(std::string_view line);
    // Whether what a line asks for is in the tree.
    static bool reads_tree(std::string_view line);
    bool has_ended() const { return ended_; }

  private:
    struct Verb;
    using Words = std::span<const std::string>;

    static std::span<const Verb> verbs();
    static const Verb* find_verb(std::string_view name);
    bool offers(const Verb& verb) const;
    std::string choices() const;
    bool check(const Verb& verb, Words words);
    static std::string synopsis(const Verb& verb);
    static std::string arguments_text(const Verb& verb);

    bool cat(Words paths);
    bool cd(Words paths);
    bool exit(Words paths);
    bool find(Words paths);
    bool help(Words words);
    bool history(Words words);
    bool ls(Words paths);
    bool man(Words words);
    bool pwd(Words words);
    bool tree(Words paths);

    std::vector<FoundNode> nodes_of(const std::string& path) const;
    bool say(const std::string& line, bool succeeded = true);
    void print_tree(const metadata::TreeNode& node, std::size_t depth);
    void print_paths(const metadata::TreeNode& node, const std::string& path);

    metadata::TreeNode root_;
    Mode mode_;
    TextSink& sink_;
    std::string folder_ = "/";
    std::vector<std::string> history_;
    bool ended_ = false;
};

}  // namespace millrace::server
