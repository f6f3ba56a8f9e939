// Stands for gloo's header of this name: nothing of it is used by the declarations of ProcessGroupGloo.
#pragma once
