#include "server/shell.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "server/shell_words.h"

namespace millrace::server {
namespace {

using metadata::TreeEntry;
using metadata::TreeNode;

class Printed final : public TextSink {
  public:
    void out(std::string_view line) override { text += line; }
    void err(std::string_view line) override { text += line; }
    std::string text;
};

TreeNode names(const std::vector<std::string>& leaves) {
    return metadata::folder([leaves] {
        std::vector<TreeEntry> entries;
        for (const std::string& name : leaves)
            entries.push_back({name, metadata::leaf("of " + name)});
        return entries;
    });
}

TreeNode root() {
    TreeNode topics = metadata::folder([] {
        return std::vector<TreeEntry>{{"byName", names({"t2", "t1"})}, {"byId", names({"i"})}};
    });
    TreeNode image = metadata::folder(
        [topics] { return std::vector<TreeEntry>{{"topics", topics}, {"empty", names({})}}; });
    return metadata::folder([image] {
        return std::vector<TreeEntry>{{"local", names({"version"})}, {"image", image}};
    });
}

class ShellTest : public testing::Test {
  protected:
    // What a line prints in a conversation, or as a command by itself.
    std::string say(const std::string& line) {
        printed_.text.clear();
        talk_.run_line(line);
        return printed_.text;
    }
    std::string once(const std::vector<std::string>& words, bool succeeds = true) {
        printed_.text.clear();
        Shell shell(root(), Shell::Mode::single_command, printed_);
        EXPECT_EQ(shell.run(words), succeeds);
        return printed_.text;
    }

    Printed printed_;
    Shell talk_{root(), Shell::Mode::conversation, printed_};
};

TEST_F(ShellTest, ListsFoldersAndLeaves) {
    EXPECT_EQ(say("ls"), "image\nlocal\n");
    EXPECT_EQ(say("ls image"), "empty\ntopics\n");
    EXPECT_EQ(say("ls image/topics local"), "topics:\nbyId\nbyName\n\nlocal:\nversion\n");
    EXPECT_EQ(say("ls local/version"), "version\n");
    EXPECT_EQ(say("ls local/version image"), "version\n\nimage:\nempty\ntopics\n");
    EXPECT_EQ(say("ls image/empty"), "");
    EXPECT_EQ(say("ls nope"), "ls: nope: no such file or directory.\n");
    EXPECT_EQ(say("ls local/version/x"), "ls: local/version/x: no such file or directory.\n");
}

TEST_F(ShellTest, ChangesTheFolder) {
    EXPECT_EQ(say("cd image"), "");
    EXPECT_EQ(say("cd topics"), "");
    EXPECT_EQ(say("pwd"), "/image/topics\n");
    EXPECT_EQ(say("ls .."), "empty\ntopics\n");
    EXPECT_EQ(say("cd ../../../.."), "");
    EXPECT_EQ(say("pwd"), "/\n");
    EXPECT_EQ(say("cd /nope"), "cd: /nope: no such directory.\n");
    EXPECT_EQ(say("cd local/version"), "cd: local/version: not a directory.\n");
    say("cd image");
    EXPECT_EQ(say("cd") + say("pwd"), "/\n");
}

TEST_F(ShellTest, ShowsLeavesAndTrees) {
    EXPECT_EQ(say("cat local/version"), "of version\n");
    EXPECT_EQ(say("cat image"), "cat: image: Is a directory\n");
    EXPECT_EQ(say("cat nope"), "cat: nope: No such file or directory.\n");
    EXPECT_EQ(say("tree image"),
              "empty:\ntopics:\n  byId:\n    i:\n      of i\n  byName:\n    t1:\n      of t1\n"
              "    t2:\n      of t2\n");
    EXPECT_EQ(say("tree nope"), "tree: nope: No such file or directory.\n");
    EXPECT_EQ(say("find /"),
              "/\n/image\n/image/empty\n/image/topics\n/image/topics/byId\n/image/topics/byId/i\n"
              "/image/topics/byName\n/image/topics/byName/t1\n/image/topics/byName/t2\n/local\n"
              "/local/version\n");
    say("cd local");
    EXPECT_EQ(say("find"), ".\n./version\n");
    EXPECT_EQ(say("find nope"), "find: nope: no such file or directory.\n");
}

TEST_F(ShellTest, PatternsMeanNodes) {
    EXPECT_EQ(say("cat image/topics/by{Name,Id}/*"), "of i\nof t1\nof t2\n");
    EXPECT_EQ(say("ls i?age/top*"), "byId\nbyName\n");
    EXPECT_EQ(say("cat */*/by*/t[12]"), "cat: */*/by*/t[12]: No such file or directory.\n");
    EXPECT_EQ(say("ls {a,{b}}"), "ls: {a,{b}}: no such file or directory.\n");
    EXPECT_EQ(say("ls {a"), "ls: {a: no such file or directory.\n");
    EXPECT_EQ(say("ls lo\\cal"), "ls: lo\\cal: no such file or directory.\n");
}

TEST_F(ShellTest, TellsOfItself) {
    EXPECT_EQ(say("man ls"),
              "ls: List metadata nodes.\n\nusage: ls [targets [targets ...]]\n\n"
              "positional arguments:\n  targets                The metadata node paths to list.\n");
    EXPECT_EQ(say("man pwd"), "pwd: Print the current working directory.\n\nusage: pwd\n");
    EXPECT_EQ(say("man cat").find("usage: cat targets [targets ...]\n") == std::string::npos,
              false);
    EXPECT_EQ(say("man foo"), "man: unknown command foo. Type help to get a list of commands.\n");
    EXPECT_NE(say("help").find("    tree                 Show the contents"), std::string::npos);
    say("");
    EXPECT_EQ(say("history 2"), "    4  help\n    5  history 2\n");
    EXPECT_EQ(say("history x"),
              "argument numEntriesToShow: could not convert 'x' to Integer (For input string: "
              "\"x\")\n");
}

TEST_F(ShellTest, RefusesWhatItDoesNotKnow) {
    EXPECT_EQ(say("cat"), "too few arguments\n");
    EXPECT_EQ(say("pwd now"), "unrecognized arguments: 'now'\n");
    EXPECT_EQ(say("ls -l"), "unrecognized arguments: '-l'\n");
    EXPECT_EQ(say("foo"),
              "invalid choice: 'foo' (choose from 'cat', 'cd', 'exit', 'find', 'help', 'history', "
              "'ls', 'man', 'pwd', 'tree')\n");
    EXPECT_FALSE(talk_.has_ended());
    say("exit");
    EXPECT_TRUE(talk_.has_ended());
}

TEST_F(ShellTest, GoesOnWithAnotherTree) {
    say("cd image");
    talk_.show(
        metadata::folder([] { return std::vector<TreeEntry>{{"image", names({"later"})}}; }));
    EXPECT_EQ(say("ls"), "later\n");
    EXPECT_EQ(say("pwd"), "/image\n");
    for (const char* line : {"ls", "cat x", "  find", "tree /", "cd 'a b'"})
        EXPECT_TRUE(Shell::reads_tree(line)) << line;
    for (const char* line : {"", "exit", "pwd", "history", "help", "man ls", "lst"})
        EXPECT_FALSE(Shell::reads_tree(line)) << line;
}

TEST_F(ShellTest, ASingleCommandIsOneOfFour) {
    EXPECT_EQ(once({"ls", "/"}), "image\nlocal\n");
    EXPECT_EQ(once({"pwd"}, false),
              "invalid choice: 'pwd' (choose from 'cat', 'find', 'ls', 'tree')\n");
    once({"cat", "nope"}, false);
    once({"ls", "--help"});
}

TEST(ShellWords, ArePartedByBlanks) {
    using Words = std::vector<std::string>;
    EXPECT_EQ(split_words("  ls\t'a b' \"c d\"e \r\n"), (Words{"ls", "a b", "c de"}));
    EXPECT_EQ(split_words("ls \"open end"), (Words{"ls", "open end"}));
    EXPECT_EQ(split_words("a\\ b \\' \\*"), (Words{"a b", "'", "\\*"}));
    EXPECT_EQ(split_words("''"), (Words{""}));
    EXPECT_EQ(split_words(" "), Words{});
}

}  // namespace
}  // namespace millrace::server
