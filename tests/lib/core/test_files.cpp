#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>

#include "core/error.h"
#include "core/files.h"
#include "core/temporaries.h"

namespace fs = std::filesystem;
using namespace osteo::core;

namespace {

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/osteo-core-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path); }
  int entries() const {
    return static_cast<int>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
};

Exit codeOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.code();
  }
  return Exit::Ok;
}

}  // namespace

TEST_CASE("SHA-256 of the standard's test vectors") {
  CHECK(sha256("abc", 3) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("", 0) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("A folder's hash sees names and contents, not the order on disk") {
  const Folder a, b, c;
  writeFile(a.path + "/1", "x");
  writeFile(a.path + "/2", "y");
  writeFile(b.path + "/2", "y");
  writeFile(b.path + "/1", "x");
  writeFile(c.path + "/1", "y");
  writeFile(c.path + "/2", "x");
  CHECK(sha256File(a.path) == sha256File(b.path));
  CHECK(sha256File(a.path) != sha256File(c.path));
}

TEST_CASE("Endings are compound where the format's are") {
  CHECK(extension("a/b.seg.nrrd") == ".seg.nrrd");
  CHECK(extension("a.b/c") == "");
  CHECK(extension("X.NII.GZ") == ".nii.gz");
  CHECK(extension("out/job.cli") == ".cli");
  CHECK(baseName("a/folder/") == "folder");
}

TEST_CASE("An output appears whole or not at all") {
  const Folder folder;
  const std::string path = folder.path + "/x.seg.nrrd";
  {
    AtomicOutput output(path, false);
    CHECK(extension(output.temporaryPath()) == ".seg.nrrd");
    CHECK(fs::path(output.temporaryPath()).parent_path() == folder.path);
    writeFile(output.temporaryPath(), "half");
    CHECK_FALSE(fs::exists(path));
  }
  CHECK(folder.entries() == 0);
  writeFileAtomic(path, "whole", false);
  CHECK(readFile(path) == "whole");
  CHECK(codeOf([&] { writeFileAtomic(path, "again", false); }) == Exit::CantCreate);
  writeFileAtomic(path, "again", true);
  CHECK(readFile(path) == "again");
  CHECK(folder.entries() == 1);
}

TEST_CASE("A folder output replaces the old one as a whole") {
  const Folder folder;
  const std::string path = folder.path + "/layers";
  for (const char* content : {"first", "second"}) {
    AtomicOutput output(path + "/", true, AtomicOutput::Type::Folder);
    writeFile(output.temporaryPath() + "/" + content, content);
    output.commit();
  }
  CHECK(fs::exists(path + "/second"));
  CHECK_FALSE(fs::exists(path + "/first"));
  CHECK(folder.entries() == 1);
}

TEST_CASE("Paths that can't be used end with the right code") {
  const Folder folder;
  CHECK(codeOf([&] { requireInput(folder.path + "/none"); }) == Exit::NoInput);
  CHECK(codeOf([&] { requireInput(folder.path); }) == Exit::NoInput);
  CHECK(codeOf([&] { requireInput("/dev/zero"); }) == Exit::NoInput);
  CHECK(codeOf([&] { AtomicOutput(folder.path + "/no/x", false); }) == Exit::CantCreate);
  CHECK(codeOf([&] { AtomicOutput(folder.path, true); }) == Exit::CantCreate);
  writeFile(folder.path + "/big", "12345");
  CHECK(codeOf([&] { readFile(folder.path + "/big", 4); }) == Exit::DataError);
  CHECK(codeOf([&] { writeFile("/dev/full", "x"); }) == Exit::IoError);
}

TEST_CASE("Temporaries that are open are removed on demand") {
  const Folder folder;
  AtomicOutput output(folder.path + "/x", false);
  writeFile(output.temporaryPath(), "half");
  removeTemporaries();
  CHECK(folder.entries() == 0);
}

TEST_CASE("An error reads as one sentence") {
  const Error e(Exit::DataError, {.what = "bad", .file = "f", .expected = "a", .got = "b", .hint = "do c"});
  CHECK(std::string(e.what()) == "f: bad; expected a, got b (do c)");
}
